# SPDX-License-Identifier: Apache-2.0
"""Files that are ONNX and no QONNX export of ours: what they are, and the road that works."""

from __future__ import annotations

from onnx import ModelProto

from peritus.frontends.errors import UnsupportedLayerError, unsupported

ROAD = (
    "the road that works: the float network, as ONNX or as a state dict (docs/bring_your_own.md), by "
    "`peritus quantize net.onnx --images FOLDER --pixels SCALE -o net.safetensors`, then compile that"
)
QDQ = ("QuantizeLinear", "DequantizeLinear")
STOCK = ("Quant", "BipolarQuant", "IntQuant")


def refuse_foreign(model: ModelProto) -> None:
    """Refuse a file that was never meant for this reader, by the node that shows it.

    Raises:
        UnsupportedLayerError: no nodes, quantized by QuantizeLinear, or not quantized at all.
    """
    nodes = model.graph.node
    if not nodes:
        raise UnsupportedLayerError("the graph has no nodes")
    qdq = next((node for node in nodes if node.op_type in QDQ), None)
    if qdq is not None:
        raise unsupported(qdq, f"quantized for ONNX Runtime (QDQ), which is not read; {ROAD}")
    if not any(node.op_type in STOCK for node in nodes):
        raise unsupported(nodes[0], f"the file has no Quant node: a float network; {ROAD}")
