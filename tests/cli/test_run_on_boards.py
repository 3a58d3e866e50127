# SPDX-License-Identifier: Apache-2.0
"""`peritus run` on a board, as far as there is one."""

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from typer.testing import CliRunner

import peritus
from peritus.cli import app, common
from peritus.errors import PeritusError
from peritus.runtime.driver.platform import Limit
from peritus.runtime.pynq import device as pynq_device
from peritus.runtime.rtl import device as rtl
from peritus.runtime.serial import device as uart

RUN = ["run", "micro.bundle", "--image", "image.png", "--task", "depth"]


@pytest.fixture
def bundle_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    bundle = peritus.compile(peritus.load_model("m3vit_micro"), hw="nano")
    bundle.save("micro.bundle")
    Image.effect_noise((bundle.image_width, bundle.image_height), 90).save("image.png")


@pytest.mark.sim
@pytest.mark.board
@pytest.mark.usefixtures("bundle_here")
def test_pynq_sim_is_exact() -> None:
    result = CliRunner().invoke(app, [*RUN, "--device", "pynq-sim", "--check", "--json", "record.json"])
    assert result.exit_code == 0, result.output
    record = json.loads(Path("record.json").read_text())
    assert record["device"] == "pynq-sim"
    assert record["bit_exact"] is True
    assert record["cycles"] > 0


@pytest.mark.usefixtures("bundle_here")
def test_without_a_bitstream_the_message_says_where_it_belongs() -> None:
    result = CliRunner().invoke(app, [*RUN, "--device", "pynq"])
    assert result.exit_code == 1
    assert "peritus_nano.bit does not exist" in result.output


@pytest.mark.usefixtures("bundle_here")
@pytest.mark.parametrize("device", ["pynq", "ulx3s", "rtl", "pynq-sim", "ulx3s-sim"])
def test_without_a_timeout_the_device_has_its_own(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten seconds on a board, not the minutes of a simulation."""
    limits = []

    def record(*_: Any, **options: Any) -> None:
        limits.append(options.get("limit"))
        raise PeritusError("recorded")

    monkeypatch.setattr(common, "open_device", record)
    for options in ([], ["--timeout", "7"]):
        assert CliRunner().invoke(app, [*RUN, "--device", device, *options]).exit_code == 1
    assert limits == [None, Limit(seconds=7)]
    assert pynq_device.DEFAULT_LIMIT == uart.DEFAULT_LIMIT == Limit(seconds=10)
    assert rtl.DEFAULT_LIMIT.seconds == 600
