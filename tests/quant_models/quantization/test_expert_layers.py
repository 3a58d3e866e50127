# SPDX-License-Identifier: Apache-2.0
"""Experts in layers 0, 1 and 3 of 4: float, fake-quantized, QONNX, integers, instructions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="exports need the extra 'models'")

from peritus.arch.config import load_config  # noqa: E402
from peritus.compiler import compile_model  # noqa: E402
from peritus.frontends.equivalence import compare  # noqa: E402
from peritus.frontends.onnx_graph import OnnxGraph  # noqa: E402
from peritus.frontends.qonnx import lower_graph  # noqa: E402
from peritus.ir import Experts, QuantModel, execute  # noqa: E402
from peritus.runtime.device import Device  # noqa: E402
from peritus.runtime.iss.device import IssDevice  # noqa: E402
from quant_models.network.config import M3VIT_MICRO  # noqa: E402
from quant_models.network.init import new_model, procedural_images  # noqa: E402
from quant_models.quantization.export import to_qonnx  # noqa: E402
from quant_models.quantization.fold import fake_quantize  # noqa: E402
from quant_models.quantization.quantize import to_uint8  # noqa: E402

pytestmark = pytest.mark.models

CONFIG = replace(M3VIT_MICRO, name="odd_layers", moe_layers=(0, 1, 3))
NANO = load_config("nano")


@contextmanager
def _device(name: str) -> Iterator[Device]:
    if name == "iss":
        with IssDevice(NANO) as device:
            yield device
    else:
        from peritus.runtime.rtl.device import RtlDevice

        with RtlDevice(NANO) as device:
            yield device


@pytest.fixture(scope="module")
def lowered() -> QuantModel:
    model, _ = fake_quantize(new_model(CONFIG), procedural_images(CONFIG, 4, seed=1))
    g = OnnxGraph(to_qonnx(model))
    found = lower_graph(g)
    assert min(row.snr_db - row.bound_db for row in compare(g, found)) > 0
    return QuantModel(CONFIG.name, found.graph, "untrained")


@pytest.mark.parametrize("name", ["iss", pytest.param("rtl", marks=pytest.mark.sim)])
def test_bit_exact(lowered: QuantModel, name: str) -> None:
    graph = lowered.graph
    experts = [node.name for node in graph.nodes if isinstance(node, Experts)]
    assert experts == [f"blocks.{layer}.mlp.experts" for layer in (0, 1, 3)]
    image = to_uint8(procedural_images(CONFIG, 1, seed=9))[0]
    with _device(name) as device:
        device.load(compile_model(lowered, NANO))
        for task in CONFIG.task_names:
            result, expected = device.run(image, task=task, features=True), execute(graph, image, task)
            assert np.array_equal(result.outputs[task], expected.output)
            assert np.array_equal(result.raw_features, expected.features)
