# SPDX-License-Identifier: Apache-2.0
"""peritus build ulx3s after placing and routing: the bundle in the bitstream, the board's folder, errors."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from peritus.arch.config import load_config
from peritus.boards import ecp5
from peritus.bundle import Bundle, BundleConfigError
from peritus.cli import app
from peritus.compiler import compile_model
from peritus.eda.board import load_board
from peritus.eda.ecp5.pnr import PlacedDesign
from peritus.eda.errors import TimingNotMet
from peritus.ir.random_model import random_model
from peritus.runtime.serial.image import ImageError, memory_image
from peritus.runtime.virtual.uart_line import BANKS, MEMORY_BYTES
from tests.common.serial_board import SMALL
from tests.eda.ecp5.test_image import design, report

TIMEOUT_S = 300
pytestmark = pytest.mark.synth


def placed(reached_mhz: float = 50.0) -> PlacedDesign:
    """Block RAM and nothing else, which ecppack takes."""
    return PlacedDesign(design(BANKS).split(".tile")[0], report(reached_mhz), Path("no netlist"))


def test_the_folder_for_the_board(small: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the command line, for a bundle of one's own; ecppack is real."""
    monkeypatch.setattr("peritus.cli.build_ecp5.place_board", lambda board, **options: placed())
    packed: list[str] = []
    pack = ecp5.write_bitstream

    def spy(config: str, target: Path, *, timeout_s: float) -> None:
        packed.append(config)
        pack(config, target, timeout_s=timeout_s)

    monkeypatch.setattr(ecp5, "write_bitstream", spy)
    mine = tmp_path / "mine.bundle"
    small.save(mine)
    arguments = ["build", "ulx3s", "--bundle", str(mine), "--output", str(tmp_path / "out"), "--json", "-"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    record = json.loads(result.stdout)
    assert record["built"] and record["clocks"][0]["reached_mhz"] == 50.0
    folder = tmp_path / "out" / "board"
    assert {Path(file).name for file in record["files"]} == {path.name for path in folder.iterdir()}
    preamble = (folder / "peritus_nano.bit").read_bytes()[:200]
    assert b"\xff\xff\xbd\xb3" in preamble and b"\x41\x11\x30\x43" in preamble  # IDCODE of an LFE5U-85F
    assert Bundle.load(folder / f"{small.model}.bundle").to_bytes() == small.to_bytes()
    assert os.access(folder / "run.sh", os.X_OK)
    assert f"{small.model}.bundle --device ulx3s" in (folder / "run.sh").read_text()
    assert json.loads((folder / "report.json").read_text())["seed"] == 1
    assert packed == [ecp5.preload(placed().config, memory_image(small, MEMORY_BYTES))]
    assert packed != [ecp5.preload(placed().config, np.zeros(MEMORY_BYTES, np.uint8))]


def test_nothing_is_packaged_that_cannot_work(small: Bundle, tmp_path: Path) -> None:
    board, folder = load_board("ulx3s"), tmp_path / "board"
    foreign = compile_model(random_model(SMALL), load_config("edge"))
    large = replace(small, weights=np.zeros(MEMORY_BYTES, np.uint8))
    for what, bundle, error in [
        (placed(49.9), small, TimingNotMet),
        (placed(), foreign, BundleConfigError),
        (placed(), large, ImageError),
    ]:
        with pytest.raises(error):
            ecp5.package(board, what, bundle, folder, timeout_s=TIMEOUT_S)
    assert not folder.exists()
