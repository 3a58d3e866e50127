# SPDX-License-Identifier: Apache-2.0
"""The Python API and the command line, on the reference device."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import peritus
from peritus.arch import ConfigError
from peritus.arch.config import load_config
from peritus.bundle import Bundle, BundleError
from peritus.cli import app
from peritus.cli.jobs import NotBitExact, explain_mismatch
from peritus.compiler import CapacityError, CompileError
from peritus.demo import SCENE
from peritus.image import fit_image
from peritus.ir import ModelFileError
from peritus.ir.random_model import Dims, random_image, random_model
from peritus.runtime import Result
from peritus.runtime.device import Perf
from peritus.runtime.iss.device import IssDevice

DIMS = Dims(layers=2)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A small model, its bundle for nano, and a photo of its size."""
    folder = tmp_path_factory.mktemp("files")
    model = random_model(DIMS)
    model.save(folder / "small.safetensors")
    peritus.compile(model, hw="nano").save(folder / "small.bundle")
    Image.fromarray(random_image(DIMS)).save(folder / "photo.png")
    return {name: folder / name for name in ("small.safetensors", "small.bundle", "photo.png")}


def invoke(*arguments: object, expect: int = 0) -> Any:
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    assert result.exit_code == expect, result.output + str(result.exception)
    return result


def test_api_from_model_to_features(files: dict[str, Path]) -> None:
    model = peritus.load_model(files["small.safetensors"])
    bundle = peritus.compile(model, hw="nano")
    assert peritus.load_bundle(files["small.bundle"]).to_bytes() == bundle.to_bytes()
    with peritus.open_device("reference", hw="nano") as device:
        device.load(bundle)
        result = device.run(random_image(DIMS), task="task0", features=True)
    assert result.outputs["task0"].dtype == np.int16
    assert result.features is not None
    assert result.features.dtype == np.float32 and result.features.shape == (9, 64)
    assert result.perf.cycles is None
    assert result.dequantized().shape == (8, 16, 8)
    assert result.upsampled(32, 64).shape == (32, 64, 8)
    assert result.labels(32, 64).max() < 8


@pytest.mark.parametrize("name", ["m3vit_micro", "m3vit_tiny"])
def test_shipped_models_load(name: str) -> None:
    assert name in peritus.model_names()
    model = peritus.load_model(name)
    assert model.name == name and [t.name for t in model.graph.tasks] == ["semseg", "depth"]


def test_api_errors(tmp_path: Path) -> None:
    with pytest.raises(
        ModelFileError, match="unknown model 'm3vit_huge'; known: m3vit_micro, m3vit_micro_int4, "
    ):
        peritus.load_model("m3vit_huge")
    with pytest.raises(ModelFileError, match=r"no\.safetensors does not exist"):
        peritus.load_model(tmp_path / "no.safetensors")
    with pytest.raises(ModelFileError, match=r"does not exist|needs pip install"):
        peritus.load_model(tmp_path / "no.onnx")
    with pytest.raises(BundleError, match=r"no\.bundle does not exist"):
        peritus.load_bundle(tmp_path / "no.bundle")
    with pytest.raises(BundleError, match=r"is a folder$"):
        peritus.load_bundle(tmp_path)
    with pytest.raises(BundleError, match="bundle 5 is a int, expected a path"):
        peritus.load_bundle(cast("Any", 5))
    for what in (3, b"m3vit_micro", None):
        with pytest.raises(ModelFileError, match=f"by a {type(what).__name__}, expected a name or path"):
            peritus.load_model(cast("Any", what))
    with pytest.raises(CompileError, match="the model is a str, expected what peritus"):
        peritus.compile(cast("Any", "m3vit_micro"), hw="nano")
    for what in (3, None):
        with pytest.raises(ConfigError, match=f"hardware is a {type(what).__name__}, expected a name"):
            peritus.compile(random_model(DIMS), hw=cast("Any", what))
        with pytest.raises(ConfigError, match=f"hardware is a {type(what).__name__}, expected a name"):
            peritus.open_device("iss", hw=cast("Any", what))
    with pytest.raises(ConfigError, match="unknown hardware 'pico'; known: nano, edge, zcu104, zcu104_vit"):
        peritus.compile(random_model(DIMS), hw="pico")
    with pytest.raises(CapacityError, match=r"hardware nano: .* needs 24 words of 8 channels, there are 16"):
        peritus.compile(peritus.load_model("m3vit_tiny"), hw="nano")


def test_compile_and_info(files: dict[str, Path], tmp_path: Path) -> None:
    target = tmp_path / "out" / "x.bundle"
    result = invoke("compile", files["small.safetensors"], "--hw", "nano", "-o", target, "--json", "-")
    record = json.loads(result.stdout)
    assert record["hw"] == "nano" and record["bundle"] == str(target)
    assert target.read_bytes() == files["small.bundle"].read_bytes()  # compilation is deterministic
    info = json.loads(invoke("info", target, "--json", "-").stdout)
    assert {key: record[key] for key in info} == info
    assert info["tasks"][0]["map"] == [8, 16, 8] and info["memory_words"]["kv_words"] == 144
    listing = invoke("info", target, "--program").stdout
    assert "experts_1 expert 3 output" in listing and "LAYERNORM" in listing


def test_info_of_models(files: dict[str, Path]) -> None:
    record = json.loads(invoke("info", files["small.safetensors"], "--json", "-").stdout)
    assert {
        "name": "router_1",
        "op": "Router",
        "inputs": ["norm2_1"],
        "type": "routing uint16[9, 2]",
    } in record["nodes"]
    assert "peritus train m3vit_micro" in " ".join(invoke("info", "m3vit_micro").stdout.split())


def test_run_writes_what_it_says(files: dict[str, Path], tmp_path: Path) -> None:
    out = tmp_path / "r.json"
    common = ["--image", files["photo.png"], "--task", "task0"]
    invoke("run", files["small.bundle"], *common, "--features", "--json", out, "-o", tmp_path / "maps")
    record = json.loads(out.read_text())
    wanted = {
        *("hw", "model", "task", "device", "cycles", "clock_mhz", "latency_ms", "mac_utilization"),
        *("ddr_bytes_read", "ddr_bytes_written", "sim_seconds", "bit_exact", "outputs"),
    }
    assert wanted <= set(record)
    assert record["hw"] == "nano" and record["task"] == "task0" and record["device"] == "iss"
    assert record["cycles"] is None and record["bit_exact"] is None  # no clock; nothing to compare with
    assert record["ddr_bytes_written"] == 8 * 16 * 8 * 2 + 9 * 64 * 2
    written = record["outputs"]["task0"]["files"]
    assert np.load(written["map"]).shape == (8, 16, 8) and np.load(written["features"]).shape == (9, 64)
    assert Image.open(written["picture"]).size == (64, 32)


def run_errors() -> dict[str, tuple[list[str], str]]:
    return {
        "task": (["--image", "photo.png", "--task", "pose"], "unknown task 'pose'; random has task0, task1"),
        "size": (
            ["--image", "big.png", "--task", "task0"],
            "image has shape (64, 64, 3), must be a uint8 array of",
        ),
        "missing": (["--image", "no.png", "--task", "task0"], "no.png does not exist"),
        "no image": (["--image", "small.bundle", "--task", "task0"], "small.bundle cannot be read"),
        "device": (["--image", "photo.png", "--task", "task0", "--device", "fpga"], "unknown device 'fpga'"),
    }


@pytest.mark.parametrize("case", run_errors())
def test_run_errors_are_one_line(files: dict[str, Path], case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = files["photo.png"].parent
    monkeypatch.chdir(folder)
    Image.fromarray(np.zeros((64, 64, 3), np.uint8)).save("big.png")
    arguments, message = run_errors()[case]
    result = invoke("run", "small.bundle", *arguments, expect=1)
    assert message in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1 and "Traceback" not in result.output


def test_run_refuses_a_broken_bundle(files: dict[str, Path], tmp_path: Path) -> None:
    bad = tmp_path / "bad.bundle"
    bad.write_bytes(files["small.bundle"].read_bytes()[:-100])
    result = invoke("run", bad, "--image", files["photo.png"], "--task", "task0", expect=1)
    assert "truncated" in result.stderr


def test_run_resizes_on_request(files: dict[str, Path], tmp_path: Path) -> None:
    invoke(
        "run",
        files["small.bundle"],
        "--image",
        SCENE,
        "--task",
        "task1",
        "--resize",
        "--json",
        tmp_path / "r",
    )
    assert json.loads((tmp_path / "r").read_text())["outputs"]["task1"]["shape"] == [8, 16, 1]


def test_fit_image_crops_the_middle_and_scales() -> None:
    image = np.zeros((100, 100, 3), np.uint8)
    image[25:75] = 200
    assert (fit_image(image, 8, 16) == 200).all()
    assert fit_image(random_image(DIMS), 32, 64).tolist() == random_image(DIMS).tolist()


def test_demo_on_the_reference(tmp_path: Path) -> None:
    result = invoke(
        "demo", "--device", "reference", "--model", "m3vit_micro", "--hw", "nano", "-o", tmp_path / "demo"
    )
    assert "Weights: peritus train m3vit_micro" in " ".join(result.stdout.split())
    summary = json.loads((tmp_path / "demo" / "demo.json").read_text())
    assert [run["task"] for run in summary["runs"]] == ["semseg", "depth"]
    assert summary["untrained"] is False and summary["bit_exact"] is None
    for name in ("image", "semseg", "depth"):
        picture = np.array(Image.open(tmp_path / "demo" / f"{name}.png"))
        assert picture.shape == (32, 64, 3) and picture.std() > 5
    page = tmp_path / "demo" / "report.html"
    assert f"Report: {page}" in result.stdout.replace("\n", "") and page.stat().st_size > 100_000


def test_a_network_that_reads_grey(tmp_path: Path) -> None:
    """From a colour photo to picture and page, by every command that shows a map."""
    model = tmp_path / "grey.safetensors"
    random_model(replace(DIMS, channels=1, classes=3)).save(model)
    invoke("compile", model, "--hw", "nano", "-o", tmp_path / "grey.bundle")
    for task in ("task0", "classes"):
        options = ["--task", task, "--resize", "-o", tmp_path / task]
        invoke("run", tmp_path / "grey.bundle", "--image", SCENE, *options)
        assert Image.open(tmp_path / task / f"{task}_image.png").mode == "RGB"
        assert (tmp_path / task / "report.html").is_file()
    invoke("demo", "--device", "iss", "--model", model, "--hw", "nano", "-o", tmp_path / "demo")
    invoke("report", tmp_path / "grey.bundle", "-o", tmp_path / "page.html")


class WrongDevice(IssDevice):
    """Claims to be another device and returns one wrong integer."""

    name = "wrong"

    def run(self, image: np.ndarray, *, task: str, features: bool = False) -> Result:  # type: ignore[type-arg]
        result = super().run(image, task=task, features=features)
        result.outputs[task][3, 2, 0] += 1
        return Result(
            result.task, result.outputs, result.raw_features, result.feature_scale, Perf(cycles=1000)
        )


def test_check_finds_one_wrong_integer(
    files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("peritus.cli.common.open_device", lambda name, hw: WrongDevice(hw))
    arguments = ["--image", files["photo.png"], "--task", "task0", "--device", "iss", "--check"]
    result = invoke("run", files["small.bundle"], *arguments, "--json", tmp_path / "r.json", expect=1)
    assert "task task0 on wrong is not bit-exact" in result.stderr
    record = json.loads((tmp_path / "r.json").read_text())
    assert record["bit_exact"] is False and record["cycles"] == 1000
    assert record["mac_utilization"] == round(record["macs"] / 64000, 4)
    assert record["latency_ms"] == 0.02  # 1000 cycles at 50 MHz


def test_explain_mismatch_is_an_error_with_a_place(files: dict[str, Path]) -> None:
    bundle = Bundle.load(files["small.bundle"])
    error = explain_mismatch(bundle, load_config("nano"), random_image(DIMS), "task0", "wrong", False)
    assert isinstance(error, NotBitExact)


def test_doctor() -> None:
    record = json.loads(invoke("doctor", "--json", "-").stdout)
    assert record["healthy"] is True
    found = {check["name"]: check for check in record["checks"]}
    assert found["shipped models"]["found"] == ", ".join(peritus.model_names())
    assert found["numpy"]["found"] == np.__version__


def test_doctor_fails_without_models(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("peritus.api.model_names", list)
    result = invoke("doctor", expect=1)
    assert "MISSING" in result.stdout
