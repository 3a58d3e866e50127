# SPDX-License-Identifier: Apache-2.0
"""The walk over a program against the device that executes it, and the command around it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from peritus import ir
from peritus.arch.config import HwConfig, load_config
from peritus.cli import app
from peritus.compiler import compile_model
from peritus.evaluation.sparsity import job_cost, measure
from peritus.ir.random_model import Dims, random_image, random_model
from peritus.reference import Routing
from peritus.runtime.iss.device import IssDevice

NANO = load_config("nano")
SKEWED = Dims(layers=4, routing="idle")


def routing(model: ir.QuantModel, dims: Dims, task: str) -> dict[str, np.ndarray]:  # type: ignore[type-arg]
    values = ir.execute(model.graph, random_image(dims), task, keep_values=True).values
    return {name: value.experts for name, value in values.items() if isinstance(value, Routing)}


@pytest.mark.parametrize("dims", [Dims(layers=2), SKEWED, Dims(d=72, heads=3, hidden=88, layers=2)])
@pytest.mark.parametrize("hw", [NANO, replace(NANO, acc_depth=8, program_depth=1024, fetch_depth=1024)])
def test_bytes_are_those_of_the_device(dims: Dims, hw: HwConfig) -> None:
    model = random_model(dims)
    bundle = compile_model(model, hw)
    with IssDevice(hw) as device:
        device.load(bundle)
        for index, task in enumerate(bundle.tasks):
            perf = device.run(random_image(dims), task=task.name).perf
            cost = job_cost(bundle, hw, index, routing(model, dims, task.name))
            assert cost.ddr_bytes == perf.bytes_read + perf.bytes_written
            assert cost.weight_bytes == perf.bytes_read - bundle.frame.bytes


def test_macs_are_those_of_the_job_and_of_the_padding() -> None:
    """16 tokens fill nano's tiles as all other dimensions do, but for the gate: 4 experts of 8 columns."""
    dims = Dims(height=24, width=40, patch=8, task_channels=(8, 4), layers=2)
    model = random_model(dims)
    bundle = compile_model(model, NANO)
    gate_padding = 16 * dims.d * 4
    for index, task in enumerate(bundle.tasks):
        assert job_cost(bundle, NANO, index, routing(model, dims, task.name)).macs == task.macs + gate_padding


def test_everything_active_touches_every_weight_once() -> None:
    model = random_model(SKEWED)
    bundle = compile_model(model, NANO)
    found = measure(model, bundle, NANO, [random_image(SKEWED, s) for s in range(2)], workers=1)
    assert found.images == 2
    assert found.one_pass.weight_bytes == len(bundle.weights) == found.weight_bytes
    assert found.separate_passes.macs < 2 * found.one_pass.macs
    for name, cost in found.tasks.items():
        assert cost.macs < found.one_pass.macs
        use = found.use[name]
        assert use.shape == (2, 4)
        assert np.allclose(use.sum(axis=1), 2)  # two experts per token
        assert (use[:, 1::2] == 0).all()  # the idle ones
    # Half of the experts are never fetched.
    experts = sum(
        a.weight.size for n in model.graph.nodes if isinstance(n, ir.Experts) for a in ir.affines(n)
    )
    assert found.tasks["task0"].weight_bytes < found.one_pass.weight_bytes - experts / 2


def test_command(tmp_path: Path) -> None:
    dims = Dims(layers=2)
    random_model(dims).save(tmp_path / "m.safetensors")
    (tmp_path / "photos").mkdir()
    for seed in range(2):
        Image.fromarray(random_image(dims, seed)).save(tmp_path / "photos" / f"{seed}.png")
    arguments = ["sparsity", str(tmp_path / "m.safetensors"), "--hw", "nano", "--workers", "1"]

    def run(*more: str) -> tuple[int, str]:
        result = CliRunner().invoke(app, [*arguments, *more])
        return result.exit_code, result.output

    files = ("-o", str(tmp_path / "use.png"), "--json", str(tmp_path / "use.json"))
    assert run("--images", str(tmp_path / "photos"), *files)[0] == 0
    record = json.loads((tmp_path / "use.json").read_text())
    assert record["images"] == 2 and record["layers"] == ["router_1"]
    assert set(record["cost"]) > {"task task0", "task task1", "A: all experts, one pass"}
    assert np.asarray(record["expert_use"]["task1"]).sum() == pytest.approx(2, abs=1e-5)
    with Image.open(tmp_path / "use.png") as picture:
        assert picture.size[0] > 200

    (tmp_path / "empty").mkdir()
    code, text = run("--images", str(tmp_path / "empty"))
    assert code == 1 and "has no image" in text
    code, text = run("--images", str(tmp_path / "missing.png"))
    assert code == 1 and "does not exist" in text
