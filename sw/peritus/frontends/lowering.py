# SPDX-License-Identifier: Apache-2.0
"""State and helpers shared by the rules that lower a QONNX graph (see `qonnx` for the grammar)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from onnx import NodeProto

from peritus.frontends.errors import UnsupportedLayerError, unsupported
from peritus.frontends.onnx_graph import F64, OnnxGraph, QuantConstant
from peritus.ir.ops import Affine, Node
from peritus.ir.requant import ScaleError, requant

BIAS_LIMIT = 1 << 25  # of an accumulator's 2^26: as much is left to the products
WEIGHT_LIMIT = 127


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
    """The graph being read and the integer nodes built so far, in execution order.

    Integer nodes are named after their place in the network, never after nodes or tensors of the file: what
    is renamed there is the same network here.
    """

    g: OnnxGraph
    nodes: list[Node] = field(default_factory=list)
    done: dict[str, str] = field(default_factory=dict)  # ONNX tensor -> name of the integer value
    scales: dict[str, float] = field(
        default_factory=dict
    )  # real value of one LSB of each activation, by name
    residual_scale: float = 0.0
    pixel_scale: float = 0.0
    tokens: int = 0  # prefix and patches
    prefix: int = 0  # tokens in front of the patches, the class token first
    block: int = -1  # the block being read, from 0
    norms: int = 0  # LayerNorms of that block

    def once(self, tensor: str, name: str, build: Callable[[str], Node]) -> str:
        """Build the node of a tensor on first use; later readers share its value."""
        if tensor not in self.done:
            try:
                self.nodes.append(build(name))
            except ScaleError as error:
                raise UnsupportedLayerError(f"tensor {tensor!r} ({name}): {error}") from None
            self.done[tensor] = name
        return self.done[tensor]

    def activation(self, tensor: str, name: str, scale: float, build: Callable[[str], Node]) -> Activation:
        """`once`, of a node whose value is an activation."""
        name = self.once(tensor, name, build)
        self.scales[name] = scale
        return Activation(name, scale)

    def in_block(self, name: str) -> str:
        """The name of a node of the block being read."""
        return f"blocks.{self.block}.{name}"

    def on_residual_grid(self, tensor: str) -> str:
        """Input of a Quant on the residual grid, the same everywhere in a model."""
        node, source, scale = self.g.on_grid(tensor, 16)
        self.residual_scale = self.residual_scale or scale
        if scale != self.residual_scale:
            raise unsupported(node, f"residual scale {scale}, expected {self.residual_scale} as elsewhere")
        return source

    def linear(self, tensor: str) -> FloatLinear:
        """MatMul with a quantized constant, plus a constant bias unless it is left out."""
        node = self.g.producer(tensor, "Add", "MatMul")
        bias: F64 | None = None
        if node.op_type == "Add":
            product, bias = self.g.split_constant(node)
            node = self.g.producer(product, "MatMul")
        weight = self.g.quant_constant(node.input[1])
        if weight.values.ndim != 2:
            raise unsupported(node, f"weights of shape {weight.values.shape}, expected a matrix")
        weight = weight.transpose([1, 0])
        outputs = len(weight.values)
        if bias is None:
            bias = np.zeros(outputs)
        if bias.size != outputs:
            raise unsupported(node, f"{bias.size} biases for {outputs} outputs")
        return FloatLinear(node, node.input[0], weight, bias.ravel())

    def affine(
        self, node: NodeProto, weight: QuantConstant, bias: F64, x_scale: float, out_scale: float
    ) -> Affine:
        """`affine`, its errors with the node's name."""
        try:
            return affine(weight, bias, x_scale, out_scale)
        except (UnsupportedLayerError, ScaleError) as error:
            raise unsupported(node, str(error)) from None


def affine(weight: QuantConstant, bias: F64, x_scale: float, out_scale: float) -> Affine:
    """Weight [out, in] with one scale per row, bias [out] in real units; stage 1 gives `out_scale`.

    A row's scale may be finer than its bias allows: a pruned row says nothing about its own, and quantizers
    give it the finest they have. Such a row takes the finest scale with which its bias fits the accumulator.
    """
    if weight.bits > 8:
        raise UnsupportedLayerError(f"weights have {weight.bits} bits, at most 8 are supported")
    scales = weight.scale[:, 0]
    if np.any(weight.scale != scales[:, None]):
        raise UnsupportedLayerError("weight scales differ within an output channel, expected one per channel")
    integers = weight.values
    silent = ~integers.any(axis=1)
    # Of a row of zeros only the bias counts: half its range at 16 bits and more, or what it needs.
    accumulator = np.where(silent, np.maximum(scales * x_scale, out_scale / 2**16), scales * x_scale)
    needed = np.abs(bias) / BIAS_LIMIT
    coarse = accumulator < needed
    if coarse.any():
        factor = np.where(coarse, accumulator / np.where(coarse, needed, 1.0), 1.0)
        integers = np.rint(integers * factor[:, None]).astype(np.int64)
        accumulator = np.where(coarse, needed, accumulator)
    rounded = np.floor(bias / accumulator + 0.5)  # half up, as everywhere in the integer graph
    return Affine(
        integers.astype(np.int8),
        rounded.astype(np.int32),
        requant(accumulator / out_scale),
        4 if weight.bits <= 4 else 8,
    )
