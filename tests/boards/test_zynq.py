# SPDX-License-Identifier: Apache-2.0
"""What goes onto a board, and `peritus build` from end to end with a stand-in for Vivado.

The stand-in runs the project's scripts through the recorder and writes the sample reports: everything around
Vivado is real, Vivado is not.
"""

from __future__ import annotations

import json
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import peritus
from peritus.boards.notebook import notebook
from peritus.boards.zynq import package
from peritus.bundle import Bundle, BundleConfigError
from peritus.cli import app
from peritus.demo import SCENE
from peritus.eda.errors import BuildError, VivadoNotFound
from peritus.eda.vivado.project import Project
from peritus.eda.vivado.reports import read_reports
from peritus.eda.vivado.run import find_vivado, run_vivado

Write = Callable[..., None]
STAND_IN = """\
#!{python}
import shutil, sys
from pathlib import Path
from vivado_recorder import record
assert sys.argv[1:] == "-mode batch -nojournal -nolog -notrace -source build.tcl".split(), sys.argv
record(Path("build.tcl").resolve())
shutil.copytree({reports!r}, "reports", dirs_exist_ok=True)
for attempt in Path("attempts").glob("*.rpt"):
    shutil.copy(Path("reports/timing_summary.rpt"), attempt)
"""
BOARD_FILES = {
    *("peritus_zcu104.bit", "peritus_zcu104.hwh", "m3vit_tiny.bundle", "run.sh", "peritus.ipynb"),
    *("scene.png", "expected.json", "report.json"),
}


def program(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o755)
    return path


@pytest.fixture
def stand_in(scratch: Project, write_reports: Write, tmp_path: Path) -> Callable[..., Path]:
    """stand_in(**slacks): a program that behaves like Vivado, with the sample reports."""

    def make(**slacks: str) -> Path:
        write_reports(scratch, **slacks)
        reports = str(scratch.folder / "reports")
        return program(tmp_path / "vivado.py", STAND_IN.format(python=sys.executable, reports=reports))

    return make


def invoke(*arguments: object, expect: int = 0) -> Any:
    result = CliRunner().invoke(app, ["build", *map(str, arguments)])
    assert result.exit_code == expect, result.output + str(result.exception)
    return result


@pytest.fixture(scope="module")
def bundles() -> dict[str, Bundle]:
    tiny, micro = peritus.load_model("m3vit_tiny"), peritus.load_model("m3vit_micro")
    return {"zcu104": peritus.compile(tiny, hw="zcu104"), "nano": peritus.compile(micro, hw="nano")}


def test_build_from_end_to_end(stand_in: Callable[..., Path], tmp_path: Path) -> None:
    output = tmp_path / "out"
    invoke("zcu104", "-o", output, "--vivado", stand_in(), "--json", output / "build.json")
    assert {path.name for path in (output / "board").iterdir()} == BOARD_FILES
    record = json.loads((output / "build.json").read_text())
    assert record["built"] and record["utilization"]["uram"] == {"used": 90, "available": 96}
    assert record["timing"]["wns_ns"] == 0.123 and record["power"]["total_w"] == 7.5
    report = json.loads((output / "board" / "report.json").read_text())
    assert report == {key: record[key] for key in ("clock_mhz", "utilization", "timing", "power", "attempts")}
    assert report["clock_mhz"] == 300
    assert report["attempts"] == {"300_Performance_ExplorePostRoutePhysOpt": 0.123}
    assert Bundle.load(output / "board" / "m3vit_tiny.bundle").hw.name == "zcu104"


def test_a_design_that_misses_its_timing_is_not_packaged(
    stand_in: Callable[..., Path], tmp_path: Path
) -> None:
    result = invoke("zcu104", "-o", tmp_path / "out", "--vivado", stand_in(wns="-0.250"), expect=1)
    assert "worst setup slack is -0.25 ns at 300 MHz" in result.output
    assert not (tmp_path / "out" / "board").exists()


def test_without_vivado_the_project_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    result = invoke("kv260", "-o", tmp_path / "out", "--json", tmp_path / "build.json", expect=3)
    assert "not built: vivado is not on PATH" in result.output
    assert (tmp_path / "out" / "vivado" / "build.tcl").is_file()
    assert json.loads((tmp_path / "build.json").read_text())["built"] is False


def test_check_runs_the_recorder(tmp_path: Path) -> None:
    result = invoke("kv260", "-o", tmp_path / "out", "--check")
    assert "Vivado was not run" in result.output
    assert not (tmp_path / "out" / "vivado" / "product").exists()


def test_unknown_board(tmp_path: Path) -> None:
    assert "unknown board 'zcu105'" in invoke("zcu105", "-o", tmp_path, expect=1).output


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("#!/bin/sh\necho 'ERROR: [Common 17-39] failed'\nexit 1\n", "status 1; log .*Common 17-39"),
        ("#!/bin/sh\nexit 0\n", "Vivado ended without .*peritus_zcu104.bit"),
        ("#!/bin/sh\nsleep 60\n", "longer than its limit of [0-9.]+ s"),
    ],
    ids=["fails", "makes nothing", "hangs"],
)
def test_vivado_fails(scratch: Project, tmp_path: Path, script: str, message: str) -> None:
    with pytest.raises(BuildError, match=f"(?s)board zcu104: .*{message}"):
        run_vivado(scratch, program(tmp_path / "fake", script), timeout_s=0.01 if "sleep" in script else 60)


def test_finding_vivado(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    found = program(tmp_path / "bin" / "vivado", "#!/bin/sh\n")
    assert find_vivado(tmp_path) == find_vivado(found) == found.resolve()
    found.chmod(0o644)
    with pytest.raises(VivadoNotFound, match="is not a program"):
        find_vivado(tmp_path)


def test_a_bundle_for_other_hardware_is_not_packaged(
    scratch: Project, write_reports: Write, bundles: dict[str, Bundle], tmp_path: Path
) -> None:
    write_reports(scratch)
    with pytest.raises(BundleConfigError):
        package(scratch, read_reports(scratch), bundles["nano"], tmp_path / "board")
    assert not (tmp_path / "board").exists()


@pytest.fixture
def board_folder(scratch: Project, write_reports: Write, bundles: dict[str, Bundle], tmp_path: Path) -> Path:
    write_reports(scratch)
    scratch.bitstream.parent.mkdir()
    scratch.bitstream.write_text("bit")
    scratch.handoff.write_text("hwh")
    package(scratch, read_reports(scratch), bundles["zcu104"], tmp_path / "board")
    return tmp_path / "board"


def test_run_script(board_folder: Path, tmp_path: Path) -> None:
    script = board_folder / "run.sh"
    assert script.stat().st_mode & stat.S_IXUSR
    # Stand-ins for `peritus` and for being root print what would run.
    (tmp_path / "bin").mkdir()
    program(tmp_path / "bin" / "peritus", '#!/bin/sh\necho "$PWD $@"\n')
    text = script.read_text()
    assert "$EUID" in text
    script.write_text(text.replace("$EUID", "0"))
    run = subprocess.run(
        ["bash", str(script), "my.png", "depth"],
        env={"PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
    )
    assert run.stdout.split() == [
        *(str(board_folder), "run", "m3vit_tiny.bundle", "--device", "pynq"),
        *("--image", str(tmp_path / "my.png"), "--resize", "--task", "depth", "--output", "result"),
    ]


def test_notebook_is_valid(board_folder: Path) -> None:
    """What the format's schema (nbformat 4.5) asks for."""
    pages = json.loads((board_folder / "peritus.ipynb").read_text())
    assert (pages["nbformat"], pages["nbformat_minor"]) == (4, 5)
    assert pages["metadata"]["kernelspec"].keys() >= {"name", "display_name"}
    ids = [cell["id"] for cell in pages["cells"]]
    assert len(set(ids)) == len(ids) and all(0 < len(name) <= 64 for name in ids)
    for cell in pages["cells"]:
        common = {"id", "cell_type", "metadata", "source"}
        code = {"execution_count", "outputs"} if cell["cell_type"] == "code" else set()
        assert cell["cell_type"] in ("code", "markdown") and cell.keys() == common | code
        assert all(isinstance(line, str) for line in cell["source"])


def test_notebook_runs(bundles: dict[str, Bundle], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its code, cell by cell, with the reference device in place of the board."""
    bundles["nano"].save(tmp_path / "small.bundle")
    monkeypatch.chdir(tmp_path)
    pages = notebook("board", "nano", "small.bundle", str(SCENE))
    names: dict[str, Any] = {}
    for cell in pages["cells"]:
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]).replace('DEVICE = "pynq"', 'DEVICE = "reference"'), names)
    assert names["results"].keys() == {task.name for task in bundles["nano"].tasks}
    assert names["image"].shape == (bundles["nano"].image_height, bundles["nano"].image_width, 3)
