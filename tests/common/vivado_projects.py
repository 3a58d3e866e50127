# SPDX-License-Identifier: Apache-2.0
"""Projects of all boards, written once, and reports in the form that Vivado documents, written by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from peritus.eda.board import board_names, load_board
from peritus.eda.vivado.project import Project, write_project

UTILIZATION = """\
| Tool Version : sample
| Design State : Routed

1. CLB Logic
------------

+----------------------------+--------+-------+------------+-----------+-------+
|          Site Type         |  Used  | Fixed | Prohibited | Available | Util% |
+----------------------------+--------+-------+------------+-----------+-------+
| CLB LUTs                   | 120000 |     0 |          0 |    230400 | 52.08 |
|   LUT as Logic             | 110000 |     0 |          0 |    230400 | 47.74 |
|   LUT as Memory            |  10000 |     0 |          0 |    101760 |  9.83 |
| CLB Registers              | 140000 |     0 |          0 |    460800 | 30.38 |
+----------------------------+--------+-------+------------+-----------+-------+

3. BLOCKRAM
-----------

+-------------------+-------+-------+------------+-----------+-------+
|     Site Type     |  Used | Fixed | Prohibited | Available | Util% |
+-------------------+-------+-------+------------+-----------+-------+
| Block RAM Tile    | 101.5 |     0 |          0 |       312 | 32.53 |
|   RAMB36/FIFO*    |   100 |     0 |          0 |       312 | 32.05 |
| URAM              |    90 |     0 |          0 |        96 | 93.75 |
+-------------------+-------+-------+------------+-----------+-------+

4. ARITHMETIC
-------------

+----------------+------+-------+------------+-----------+-------+
|    Site Type   | Used | Fixed | Prohibited | Available | Util% |
+----------------+------+-------+------------+-----------+-------+
| DSPs           | 1200 |     0 |          0 |      1728 | 69.44 |
|   DSP48E2 only | 1200 |       |            |           |       |
+----------------+------+-------+------------+-----------+-------+
"""

TIMING = """\
------------------------------------------------------------------------------------------------
| Design Timing Summary
| ---------------------
------------------------------------------------------------------------------------------------

    WNS(ns)      TNS(ns)  TNS Failing Endpoints      WHS(ns)      THS(ns)     WPWS(ns)     TPWS(ns)
    -------      -------  ---------------------      -------      -------     --------     --------
      {wns}        0.000                      0        0.011        0.000        0.500        0.000


All user specified timing constraints are met.


------------------------------------------------------------------------------------------------
| Clock Summary
| -------------
------------------------------------------------------------------------------------------------

Clock     Waveform(ns)         Period(ns)      Frequency(MHz)
-----     ------------         ----------      --------------
clk_pl_0  {{0.000 1.667}}        3.333           {mhz}


"""

POWER = """\
1. Summary
----------

+--------------------------+--------------+
| Total On-Chip Power (W)  | 7.500        |
| Design Power Budget (W)  | Unspecified* |
| Dynamic (W)              | 6.750        |
| Device Static (W)        | 0.750        |
| Confidence Level         | Medium       |
+--------------------------+--------------+
"""


VIVADO_BOARDS = [name for name in board_names() if load_board(name).flow == "vivado"]


@pytest.fixture(scope="session", params=VIVADO_BOARDS)
def project(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Written, not to be changed."""
    folder = tmp_path_factory.mktemp(request.param) / "vivado"
    return write_project(load_board(request.param), folder, timeout_s=3600, jobs=2)


@pytest.fixture(scope="session")
def write_reports() -> Callable[..., None]:
    """write_reports(project, wns="0.123", mhz="300.000"): the three reports in the project's folder."""

    def write(project: Project, *, wns: str = "0.123", mhz: str | None = None) -> None:
        texts = {
            "utilization.rpt": UTILIZATION,
            "timing_summary.rpt": TIMING.format(wns=wns, mhz=mhz or f"{project.hw.clock_mhz:.3f}"),
            "power.rpt": POWER,
        }
        (project.folder / "reports").mkdir(exist_ok=True)
        for name, text in texts.items():
            project.report(name).write_text(text)

    return write


@pytest.fixture
def scratch(tmp_path: Path) -> Project:
    """The ZCU104's project, to be changed."""
    return write_project(load_board("zcu104"), tmp_path / "vivado", timeout_s=3600, jobs=2)
