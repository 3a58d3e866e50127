# SPDX-License-Identifier: Apache-2.0
"""peritus quantize: weights and pictures to a model, with a report; and what is wrong with either."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="quantizing needs the extra 'models'")

from PIL import Image  # noqa: E402

import peritus  # noqa: E402
from peritus.arch.memories import ADDRESSED  # noqa: E402
from peritus.provenance import Provenance  # noqa: E402
from quant_models.network.config import M3VIT_MICRO  # noqa: E402
from quant_models.network.init import new_model, procedural_images  # noqa: E402
from quant_models.network.weights import save_weights  # noqa: E402
from quant_models.quantization.fidelity import calibration_warnings  # noqa: E402
from quant_models.quantization.quantize import to_uint8  # noqa: E402
from tests.pages.test_page import embedded, parsed  # noqa: E402
from tests.quant_models.plain_vits import exported, vit  # noqa: E402

pytestmark = pytest.mark.models

CONFIG = replace(M3VIT_MICRO, n_layers=2)


def run(*arguments: str | Path) -> tuple[int, str]:
    from typer.testing import CliRunner

    from peritus.cli import app

    result = CliRunner().invoke(app, list(map(str, arguments)), env={"COLUMNS": "200"})
    return result.exit_code, result.output


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A weight file and a folder of pictures, larger than the network's image."""
    folder = tmp_path_factory.mktemp("quantize")
    save_weights(new_model(CONFIG), folder / "net.safetensors")
    (folder / "photos" / "more").mkdir(parents=True)
    for index, image in enumerate(to_uint8(procedural_images(CONFIG, 4, seed=3))):
        place = folder / "photos" / ("more" if index % 2 else "") / f"{index}.png"
        Image.fromarray(image).resize((100, 70)).save(place)
    return folder / "net.safetensors", folder / "photos"


def test_weights_and_photos_to_a_bundle(material: tuple[Path, Path], tmp_path: Path) -> None:
    weights, photos = material
    model, report = tmp_path / "out" / "net.safetensors", tmp_path / "report.json"
    status, text = run(
        "quantize",
        weights,
        "--images",
        photos,
        "-o",
        model,
        "--count",
        "4",
        "--fits",
        "nano",
        "--json",
        report,
        "--sensitivity",
    )
    assert status == 0, text
    assert "fits nano" in text
    assert "warning: 4 calibration images" in text
    assert "mean nothing" in text  # the weights are random, and it is said
    record = json.loads(report.read_text())
    assert [layer["block"] for layer in record["layers"]] == [0, 1]
    assert all(layer["snr_db"] > 25 for layer in record["layers"])
    assert record["layers"][0]["routing"] is None and record["layers"][1]["routing"] > 0.8
    tensors = {tensor["tensor"]: tensor for tensor in record["tensors"]}
    assert {"norm1", "attn.q", "mlp.hidden", "attn.qkv.weight", "mlp.h4toh.weight"} <= set(tensors)
    rounded = [tensor["rounded_db"] for tensor in record["tensors"]]
    assert rounded == sorted(rounded) and "alone float" in text
    assert record["tensors_together_db"] == pytest.approx(record["layers"][-1]["snr_db"], abs=1.5)
    measured = [round(layer["snr_db"], 1) for layer in record["layers"]]
    origin = Provenance.parse(record["provenance"])
    assert str(origin.then("more")) == "untrained, seed 0; quantized on 4 images of photos; more"
    assert list(origin.snr_db) == measured
    bundle = peritus.compile(peritus.load_model(model), hw="nano")
    assert bundle.untrained and bundle.provenance == record["provenance"]
    page = tmp_path / "page.html"
    assert run("report", model, "--hw", "nano", "-o", page)[0] == 0
    frame = embedded(page.read_text())["subjects"][0]["frames"][0]
    assert frame["snr_db"] == {f"blocks.{block}.mlp": snr for block, snr in enumerate(measured)}
    assert parsed(page.read_text()).cells.count(f"{measured[0]:.1f}") >= 1


def test_a_float_onnx_file_to_a_bundle(material: tuple[Path, Path], tmp_path: Path) -> None:
    """With the pictures filled up by crops; without --pixels it is asked for them, and nothing is written."""
    network, model = tmp_path / "net.onnx", tmp_path / "net.safetensors"
    network.write_bytes(exported(vit(head="mean")).SerializeToString())
    command = ["quantize", network, "--images", material[1], "-o", model, "--count", "6", "--compared", "1"]
    status, text = run(*command)
    assert status == 1
    assert "does not say how pixels" in text and "imagenet" in text
    assert not model.exists()
    status, text = run(*command, "--pixels", "imagenet")
    assert status == 0, text
    assert "4 pictures, and 2 random crops of them" in text
    assert "nodes behind the last block stay on the host" in text
    status, text = run("compile", model, "--hw", "nano", "-o", tmp_path / "net.bundle")
    assert status == 0, text
    assert "on the host" in text
    photo, result = next(material[1].glob("*.png")), tmp_path / "r.json"
    arguments = ["--image", photo, "--resize", "--task", "out", "-o", tmp_path / "out", "--json", result]
    status, text = run("run", tmp_path / "net.bundle", *arguments)
    assert status == 0, text
    assert text.count("%") >= 5  # the best classes
    assert json.loads(result.read_text())["outputs"]["out"]["computed_by"] == "host"


def test_a_float_file_says_what_to_do(material: tuple[Path, Path]) -> None:
    weights, _ = material
    status, text = run("compile", weights, "--hw", "nano")
    assert status == 1
    assert f"peritus quantize {weights} makes one of it" in text.replace("\n", "")


def test_all_limits_are_named_before_quantizing(tmp_path: Path) -> None:
    large = replace(CONFIG, d_model=512, n_heads=16, mlp_hidden=2048, image_height=128, image_width=256)
    save_weights(new_model(large), tmp_path / "net.safetensors")
    output = tmp_path / "out.safetensors"
    status, text = run(
        "quantize", tmp_path / "net.safetensors", "--images", "scenes", "-o", output, "--fits", "nano"
    )
    assert status == 1
    assert "does not fit nano" in text
    exceeded = [line.split(":")[0].strip() for line in text.splitlines() if "needed" in line]
    memories = {memory.size for memory in ADDRESSED} | {"max_d_words"}
    assert len(exceeded) >= 3 and set(exceeded) <= memories
    assert "docs/configurations.md" in text
    assert not output.exists()


@pytest.mark.parametrize(
    ("images", "message"),
    [
        ("nowhere", "folder nowhere does not exist"),
        ("empty", "has no picture"),
        ("broken", "a.png cannot be read"),
        ("imagenet:x", "unknown data set 'imagenet:x'; known: scenes"),
    ],
)
def test_bad_pictures_are_named(
    material: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, images: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "a.png").write_bytes(b"no picture")
    status, text = run("quantize", material[0], "--images", images, "-o", tmp_path / "out.safetensors")
    assert status == 1
    assert message in text
    assert not (tmp_path / "out.safetensors").exists()


def test_calibration_images_are_looked_at() -> None:
    good = procedural_images(CONFIG, 16, seed=1)
    assert not calibration_warnings(good)
    black = good.clone()
    black[3] = 0.0
    assert calibration_warnings(black) == ["1 of 16 calibration images are black or of one colour"]
    twice = torch.cat((good[:8], good[:8]))
    assert calibration_warnings(twice) == ["only 8 of 16 calibration images differ"]
    assert "4 calibration images" in calibration_warnings(good[:4])[0]
    dim = (0.4 + 0.1 * good).mul(256).floor() / 256
    assert "of 256 levels" in calibration_warnings(dim)[0]
    assert np.isfinite(good.numpy()).all()
