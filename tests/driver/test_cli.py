# SPDX-License-Identifier: Apache-2.0
"""`peritus run` on a board, as far as there is one."""

import json
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

import peritus
from peritus.cli import app

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
