# SPDX-License-Identifier: Apache-2.0
"""State and helpers shared by the rules that lower a QONNX graph (see `qonnx` for the grammar)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from onnx import NodeProto

from peritus.frontends.onnx_graph import F64, OnnxGraph, QuantConstant, UnsupportedLayerError, unsupported
from peritus.ir.ops import Affine, Node
from peritus.ir.requant import requant


@dataclass(frozen=True)
class Activation:
    """An int8 value of the integer graph and the real value of one LSB."""

    name: str
    scale: float


@dataclass(frozen=True)
class FloatLinear:
    """MatMul(x, weight^T) + bias of the QONNX graph: weight [out, in], bias [out], x a tensor."""

    node: NodeProto
    x: str
    weight: QuantConstant
    bias: F64


@dataclass
class Context:
    """The graph being read and the integer nodes built so far, in execution order."""

    g: OnnxGraph
    nodes: list[Node] = field(default_factory=list)
    done: dict[str, str] = field(default_factory=dict)  # ONNX tensor -> name of the integer value
    residual_scale: float = 0.0

    def once(self, tensor: str, build: Callable[[], Node]) -> str:
        """Build the node of a tensor on first use; later readers share its value."""
        if tensor not in self.done:
            node = build()
            self.nodes.append(node)
            self.done[tensor] = node.name
        return self.done[tensor]

    def on_residual_grid(self, tensor: str) -> str:
        """Input of a Quant on the residual grid, the same everywhere in a model."""
        node, source, scale = self.g.on_grid(tensor, 16)
        self.residual_scale = self.residual_scale or scale
        if scale != self.residual_scale:
            raise unsupported(node, f"residual scale {scale}, expected {self.residual_scale} as elsewhere")
        return source

    def linear(self, tensor: str) -> FloatLinear:
        """MatMul with a quantized constant, plus a constant bias."""
        product, bias = self.g.split_constant(self.g.producer(tensor, "Add"))
        node = self.g.producer(product, "MatMul")
        weight = self.g.quant_constant(node.input[1]).transpose([1, 0])
        return FloatLinear(node, node.input[0], weight, bias)


def path(node: NodeProto) -> str:
    """Module path of a node named `path/operator`."""
    return str(node.name).rpartition("/")[0].removeprefix("backbone.") or str(node.name)


def affine(weight: QuantConstant, bias: F64, x_scale: float, out_scale: float) -> Affine:
    """Weight [out, in] with one scale per row, bias [out] in real units; stage 1 gives `out_scale`."""
    if weight.bits > 8:
        raise UnsupportedLayerError(f"weights have {weight.bits} bits, at most 8 are supported")
    scales = weight.scale[:, 0]
    if np.any(weight.scale != scales[:, None]):
        raise UnsupportedLayerError("weight scales differ within an output channel, expected one per channel")
    accumulator = scales * x_scale
    rounded = np.floor(bias / accumulator + 0.5)  # half up, as everywhere in the integer graph
    limit = np.iinfo(np.int32)
    return Affine(
        weight.values.astype(np.int8),
        np.clip(rounded, limit.min, limit.max).astype(np.int32),  # the graph's own check refuses such a bias
        requant(accumulator / out_scale),
        4 if weight.bits <= 4 else 8,
    )
