# SPDX-License-Identifier: Apache-2.0
"""ONNX files of other tools are refused by the node that shows it, with the road that works."""

from __future__ import annotations

from typing import Any

import pytest

onnx = pytest.importorskip("onnx", reason="reading QONNX needs the extra 'models'")

from onnx import TensorProto, helper  # noqa: E402

from peritus.frontends.errors import UnsupportedLayerError  # noqa: E402
from peritus.frontends.qonnx import lower  # noqa: E402

IMAGE = ["batch", 3, 224, 224]
ROAD = r"bring_your_own.*peritus quantize net"


def model(nodes: list[Any], shape: list[Any], opset: int = 20) -> Any:
    inputs, outputs = (helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in "xy")
    graph = helper.make_graph(nodes, "net", [inputs], [outputs])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])


@pytest.mark.parametrize("opset", [14, 20])
def test_float_networks(opset: int) -> None:
    """With a dynamic batch and of any operator set."""
    node = helper.make_node("Relu", ["x"], ["y"], name="act")
    with pytest.raises(UnsupportedLayerError, match=rf"node 'act' \(Relu\): .* a float network.*{ROAD}"):
        lower(model([node], IMAGE, opset))


def test_networks_quantized_for_onnx_runtime() -> None:
    nodes = [
        helper.make_node("Relu", ["x"], ["a"], name="act"),
        helper.make_node("QuantizeLinear", ["a", "scale", "zero"], ["q"], name="to_int8"),
        helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["y"], name="from_int8"),
    ]
    with pytest.raises(UnsupportedLayerError, match=rf"node 'to_int8' \(QuantizeLinear\): .*QDQ.*{ROAD}"):
        lower(model(nodes, IMAGE))


def test_quantized_networks_of_another_structure() -> None:
    """What stock Brevitas layers export: Quant nodes, but no residual stream as an output."""
    quant = helper.make_node(
        "Quant",
        ["x", "scale", "zero", "bits"],
        ["y"],
        name="input/Quant",
        domain="qonnx.custom_op.general",
        signed=1,
        narrow=0,
        rounding_mode="ROUND",
    )
    net = model([quant], [1, 1000])
    for name, value in (("scale", 0.1), ("zero", 0.0), ("bits", 8.0)):
        net.graph.initializer.append(helper.make_tensor(name, TensorProto.FLOAT, [], [value]))
    net.opset_import.append(helper.make_opsetid("qonnx.custom_op.general", 2))
    with pytest.raises(UnsupportedLayerError, match=r"first input has shape \(1, 1000\)"):
        lower(net)


def test_an_empty_graph() -> None:
    with pytest.raises(UnsupportedLayerError, match="the graph has no nodes"):
        lower(model([], IMAGE))
