# SPDX-License-Identifier: Apache-2.0
"""State and helpers shared by the rules that lower a QONNX graph (see `qonnx` for the grammar)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from onnx import NodeProto

from peritus.frontends.activations import BY_OPERATOR
from peritus.frontends.errors import UnsupportedLayerError, label, unsupported
from peritus.frontends.execution import Roundings
from peritus.frontends.onnx_graph import BIAS_BITS, F64, I64, OnnxGraph, QuantConstant
from peritus.frontends.view import View, view
from peritus.ir.ops import Affine, Node
from peritus.ir.requant import ScaleError, requant
from peritus.reference import HIDDEN_ZERO_POINT

BIAS_LIMIT = 1 << 25  # of an accumulator's 2^26: as much is left to the products
WEIGHT_LIMIT = 127
WIDE_BITS = 16
HIDDEN = ("Quant", *BY_OPERATOR)  # what computes the values behind an activation
COARSE_BITS = range(8, WIDE_BITS)  # of a file's grid where the accelerator has 16 bits


@dataclass(frozen=True)
class Activation:
    """A view of an int8 value of the integer graph.

    name, channels: of the value [tokens, channels]. scale: real value of one LSB. index: which elements of
    the flattened value, [rows, channels]. zero_point: the integer that is 0.
    """

    name: str
    channels: int
    scale: float
    index: I64
    zero_point: int = 0


@dataclass(frozen=True)
class Steps:
    """Of integers that are no value of the graph: the real value of one, and the one that is 0."""

    scale: float
    zero_point: int = 0


@dataclass(frozen=True)
class FloatLinear:
    """MatMul(x, weight^T) + bias of the QONNX graph: weight [out, in], bias [out], x a tensor."""

    node: NodeProto
    x: str
    weight: QuantConstant
    bias: F64

    def rows(self, chosen: I64, factor: F64) -> FloatLinear:
        """Some of the outputs, in any order, each times a factor."""
        magnitude = np.where(factor == 0, 1.0, np.abs(factor))
        weight = self.weight[chosen]
        integers = weight.values * np.sign(factor).astype(np.int64)[:, None]
        scaled = QuantConstant(integers, weight.scale * magnitude[:, None], weight.bits)
        return replace(self, weight=scaled, bias=self.bias[chosen] * factor)


@dataclass(frozen=True)
class Int8:
    """An int8 tensor of the file: `outer` is what is read, as a view of the result of the Quant node
    `quant`; `inner` is what the Quant reads, as a view of what computes it."""

    quant: NodeProto
    scale: float
    outer: View
    inner: View
    zero_point: int


@dataclass(frozen=True)
class Place:
    """Where the file has an integer value: element i is tensor.ravel()[index[i]]; -1: not in the file."""

    tensor: str
    index: I64


@dataclass
class Context:
    """The graph being read and the integer nodes built so far, in execution order.

    Integer nodes are named after their place in the network, never after nodes or tensors of the file: what
    is renamed there is the same network here.

    done: tensor -> name of the integer value. places: the same, backwards. scales: real value of one LSB of
    activations. roundings: where the accelerator rounds otherwise than the file. grid: rows and columns of
    patches. tokens: prefix and patches; prefix: those in front. block, norms: the block being read, from 0,
    and how many of its LayerNorms were.
    """

    g: OnnxGraph
    nodes: list[Node] = field(default_factory=list)
    done: dict[str, str] = field(default_factory=dict)
    places: dict[str, Place] = field(default_factory=dict)
    scales: dict[str, float] = field(default_factory=dict)
    roundings: Roundings = field(default_factory=Roundings)
    residual_scale: float = 0.0
    pixel_scale: float = 0.0
    grid: tuple[int, int] = (0, 0)
    tokens: int = 0
    prefix: int = 0
    block: int = -1
    norms: int = 0

    def once(self, tensor: str, name: str, build: Callable[[str], Node], index: I64 | None = None) -> str:
        """Build the node of a tensor on first use; later readers share its value.

        index: where the tensor has the value's elements, -1 where it lacks them; None: in order.
        """
        if tensor not in self.done:
            try:
                node = build(name)
            except ScaleError as error:
                raise UnsupportedLayerError(f"tensor {tensor!r} ({name}): {error}") from None
            self.add(tensor, node, index)
        return self.done[tensor]

    def add(self, tensor: str, node: Node, index: I64 | None = None, scale: float | None = None) -> None:
        """A node whose value the file has in `tensor`, `index` as of `once`; several may share a tensor."""
        self.nodes.append(node)
        self.done.setdefault(tensor, node.name)
        index = np.arange(math.prod(self.g.shape(tensor))) if index is None else index
        self.places[node.name] = Place(tensor, index)
        if scale is not None:
            self.scales[node.name] = scale

    def activation(
        self, x: Int8, name: str, of: I64, shape: tuple[int, int], build: Callable[[str], Node]
    ) -> Activation:
        """`once`, of a node whose value [tokens, channels] is an activation.

        of: which element of the value each element of the Quant's result is, of the result's shape.
        """
        tensor = str(x.quant.output[0])
        place = np.full(math.prod(shape), -1)
        place[of.ravel()] = np.arange(of.size)
        name = self.once(tensor, name, build, place)
        self.scales[name] = x.scale
        read = of.ravel()[x.outer.index]
        scale = x.scale * self.one_factor(x.quant, x.outer.factor)
        return Activation(name, shape[1], scale, read.reshape(-1, read.shape[-1]), x.zero_point)

    def one_factor(self, node: NodeProto, factor: F64) -> float:
        """The factor that all elements of a view have."""
        if not (factor == factor.flat[0]).all():
            raise unsupported(node, "is multiplied by factors that differ, expected one for the whole tensor")
        return float(factor.flat[0])

    def in_block(self, name: str) -> str:
        """The name of a node of the block being read."""
        return f"blocks.{self.block}.{name}"

    def int8(self, tensor: str, reader: NodeProto) -> Int8:
        """What `reader` reads as `tensor`, which must be quantized to int8.

        Behind an activation the zero point may be that of hidden values. Unsigned 7 bits are int8 as well,
        behind a ReLU that makes nothing negative.
        """
        outer = view(self.g, tensor)
        node = self.g.find(outer.source)
        if node is None or node.op_type != "Quant":
            raise self.missing(outer.source, reader)
        inner = view(self.g, str(node.input[0]))
        behind = self.g.find(inner.source)
        is_hidden = behind is not None and behind.op_type in HIDDEN
        grid = self.g.quant_grid(node, zero_points=(0, HIDDEN_ZERO_POINT) if is_hidden else (0,))
        after_relu = behind is not None and behind.op_type == "Relu"
        expected = (7, False) if after_relu and not grid.signed else (8, True)
        if (grid.bits, grid.signed) != expected or grid.scale.size != 1:
            raise unsupported(node, f"{grid}, expected {'' if expected[1] else 'u'}int{expected[0]} with one")
        return Int8(node, float(grid.scale.item()), outer, inner, grid.zero_point)

    def missing(self, tensor: str, reader: NodeProto) -> UnsupportedLayerError:
        """The error for an activation that is float where the accelerator has int8."""
        node = self.g.find(tensor)
        computed = f" of node {label(node)!r} ({node.op_type})" if node is not None else ""
        return unsupported(
            reader,
            f"reads {tensor!r}{computed} in float, expected int8: a quantizer is missing in between "
            "(Quant, signed 8 bits, one scale, zero point 0; a QuantIdentity in Brevitas)",
        )

    def wide(self, tensor: str, grid: Callable[[NodeProto], None]) -> View:
        """What the accelerator keeps in 16 bits: the view behind the Quants on the way, if there are any.

        A Quant of 8 to 15 bits is coarser than the accelerator's grid: it is passed, and nothing is rounded
        there. Any other must be on that grid: `grid` raises an error if it is not.
        """
        found = view(self.g, tensor)
        while (node := self.g.find(found.source)) is not None and node.op_type == "Quant":
            if self.g.is_constant(node.input[0]):
                break
            said = self.g.quant_grid(node)
            if said.bits in COARSE_BITS and said.signed and said.scale.size == 1:
                self.roundings.passed.add(found.source)
            else:
                grid(node)
            found = view(self.g, str(node.input[0])).then(found)
        return found

    def in_format(self, tensor: str, scale: float, at_source: bool = False) -> View:
        """`wide`, on one of the accelerator's fixed-point formats of 16 bits.

        at_source: the accelerator rounds before the view's factors, not behind them.
        """
        rounds = False

        def check(node: NodeProto) -> None:
            nonlocal rounds
            rounds = True
            self.g.on_fixed_grid(str(node.output[0]), WIDE_BITS, scale)

        found = self.wide(tensor, check)
        if not rounds:
            self.roundings.fixed[found.source if at_source else tensor] = scale
        return found

    def residual_grid(self, node: NodeProto) -> None:
        """The grid of the residual stream, the same everywhere in a model."""
        _, _, scale = self.g.on_grid(str(node.output[0]), WIDE_BITS)
        self.residual_scale = self.residual_scale or scale
        if scale != self.residual_scale:
            raise unsupported(node, f"residual scale {scale}, expected {self.residual_scale} as elsewhere")

    def stream(self, tensor: str, reader: NodeProto) -> str:
        """The tensor without its quantizers, a state of the residual stream or a branch of it: all of it."""
        found = self.wide(tensor, self.residual_grid)
        if found.moved or not (found.factor == 1).all():
            raise unsupported(reader, f"reads a part of {found.source!r}, or in another order, expected all")
        return found.source

    def is_table(self, tensor: str) -> bool:
        """A constant, quantized or not."""
        node = self.g.find(tensor)
        return self.g.is_constant(tensor) or (
            node is not None and node.op_type == "Quant" and self.g.is_constant(node.input[0])
        )

    def table(self, tensor: str, bits: range | None = None) -> F64:
        """Real values of a constant, quantized or not. bits: allowed to its quantizer; None: of any grid."""
        if self.g.is_constant(tensor):
            return self.g.floats(tensor)
        found = self.g.quant_constant(tensor, bits)
        return found.values * found.scale

    def linear(self, tensor: str) -> FloatLinear:
        """MatMul with a quantized constant, plus a constant bias unless it is left out; or a Gemm."""
        g = self.g
        node = g.producer(tensor, "Add", "MatMul", "Gemm")
        bias: F64 | None = None
        if node.op_type == "Add":
            product, constant = node.input if self.is_table(node.input[1]) else node.input[::-1]
            if not self.is_table(constant):
                raise unsupported(node, "adds no constant, expected a bias")
            bias = self.table(constant, BIAS_BITS)
            node = g.producer(product, "MatMul")
        weight = g.quant_constant(node.input[1])
        if weight.values.ndim != 2:
            raise unsupported(node, f"weights of shape {weight.values.shape}, expected a matrix")
        if node.op_type == "MatMul" or not g.said(node)["transB"]:
            weight = weight.transpose([1, 0])
        if node.op_type == "Gemm" and len(node.input) > 2:
            bias = self.table(node.input[2], BIAS_BITS)
        outputs = len(weight.values)
        if bias is None:
            bias = np.zeros(outputs)
        if bias.size != outputs:
            raise unsupported(node, f"{bias.size} biases for {outputs} outputs")
        return FloatLinear(node, node.input[0], weight, bias.ravel())

    def reading(self, layer: FloatLinear, x: Activation) -> tuple[FloatLinear, I64]:
        """The layer with its inputs in the order of the value's channels, and each row's token."""
        tokens, columns = x.index[:, 0] // x.channels, x.index[0] % x.channels
        whole = np.array_equal(x.index, tokens[:, None] * x.channels + columns)
        if not whole or not np.array_equal(np.sort(columns), np.arange(x.channels)):
            raise unsupported(layer.node, f"reads tokens of {x.name!r} in parts, expected all their channels")
        return replace(layer, weight=layer.weight[:, np.argsort(columns)]), tokens

    def on_all_tokens(self, layer: FloatLinear, x: Activation) -> FloatLinear:
        """`reading`, of all tokens in their order."""
        layer, tokens = self.reading(layer, x)
        if not np.array_equal(tokens, np.arange(self.tokens)):
            raise unsupported(
                layer.node, f"reads {len(tokens)} tokens of {x.name!r}, expected all {self.tokens} in order"
            )
        return layer

    def channels(self, layer: FloatLinear, found: View) -> FloatLinear:
        """The layer whose outputs, all tokens and channels in order, are a view of `layer`'s."""
        outputs = len(layer.bias)
        if found.moved or found.index.shape[-1] != outputs:
            raise unsupported(layer.node, "its outputs are moved, expected tokens and channels in order")
        return layer.rows(np.arange(outputs), self.by_channel(layer.node, found.factor))

    def by_channel(self, node: NodeProto, factor: F64) -> F64:
        """Factors that are the same for every token, one per channel (the last dimension)."""
        rows = factor.reshape(-1, factor.shape[-1])
        if not (rows == rows[0]).all():
            raise unsupported(node, "is multiplied by factors that differ between tokens")
        first: F64 = rows[0]
        return first

    def affine(
        self,
        node: NodeProto,
        weight: QuantConstant,
        bias: F64,
        x: Activation | Steps,
        out_scale: float,
    ) -> Affine:
        """`affine` of what the layer reads, its errors with the node's name."""
        try:
            return affine(weight, bias, x.scale, out_scale, x.zero_point)
        except (UnsupportedLayerError, ScaleError) as error:
            raise unsupported(node, str(error)) from None


def affine(weight: QuantConstant, bias: F64, x_scale: float, out_scale: float, zero_point: int = 0) -> Affine:
    """Weight [out, in] with one scale per row, bias [out] in real units; stage 1 gives `out_scale`. The
    bias takes off the zero point of what is read.

    A row's scale may be finer than its bias allows: a pruned row says nothing about its own, and quantizers
    give it the finest they have. Such a row takes the finest scale with which its bias fits the accumulator.
    """
    if weight.bits > 8:
        raise UnsupportedLayerError(f"weights have {weight.bits} bits, at most 8 are supported")
    scales = weight.scale[:, 0]
    if np.any(weight.scale != scales[:, None]):
        raise UnsupportedLayerError(
            "weight scales differ within an output channel, expected one per channel: quantize the layer by "
            "tensor or by output channel, not by group"
        )
    # -128 of weights that are not narrow: the array packs two products, and ends at -127.
    integers = np.maximum(weight.values, -WEIGHT_LIMIT)
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
    rounded -= zero_point * integers.sum(axis=1)
    return Affine(
        integers.astype(np.int8),
        rounded.astype(np.int32),
        requant(accumulator / out_scale),
        4 if weight.bits <= 4 else 8,
    )
