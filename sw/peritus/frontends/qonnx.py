# SPDX-License-Identifier: Apache-2.0
"""QONNX -> integer graph.

From the graph's outputs back to the image, along the residual stream, then forward again; one function per
rule of this grammar, most of them building one node of the integer graph. Read are exports of Brevitas
layers, stock or our own: ours have the accelerator's fixed-point grids where a stock network is float.

    state      := wide(state + branch) | state + moe | embedding
    embedding  := wide(prefix and patches + position)             patches := wide(view(Conv(Quant8u(image))))
    branch     := wide(view(linear(activation)))                  linear := MatMul(x, Quant8(w)) + bias
    activation := int8(LayerNorm(view(state))) | hidden | attention
    hidden     := int8(view(wide(function(wide(linear(activation))))))
    map        := view(wide(linear(activation)))

    view(x)    x, its elements moved (Reshape, Transpose, Slice ...) and multiplied by constants: `view`
    wide(x)    x or Quant(x), where the accelerator has 16 bits: on its own grid, or on a coarser one of 8
               bits or more, on which it does not round
    int8(x)    view(Quant8(view(x))): where the accelerator has 8 bits, the file must have them

The inputs of an Add may come in either order, and a bias may be left out. `qonnx_attention` has the rule of
attention, `qonnx_moe` the rule of moe, `qonnx_tasks` which map is which task's. What a node may say besides
is the contract of `operators`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from onnx import ModelProto, NodeProto

from peritus.frontends.activations import BY_OPERATOR
from peritus.frontends.errors import UnsupportedLayerError, unsupported
from peritus.frontends.execution import Execution, Roundings
from peritus.frontends.lowering import HIDDEN, Activation, Context, FloatLinear, Int8, Place, Steps
from peritus.frontends.moe_format import MOE
from peritus.frontends.onnx_graph import BIAS_BITS, F64, I64, OnnxGraph
from peritus.frontends.qonnx_attention import attention
from peritus.frontends.qonnx_moe import moe
from peritus.frontends.qonnx_tasks import MapOutput, outputs
from peritus.frontends.view import View, view
from peritus.ir.formats import GELU_SCALE
from peritus.ir.graph import Graph
from peritus.ir.ops import Add, Head, LayerNorm, Linear, PatchEmbed
from peritus.ir.requant import affine_norm, requant
from peritus.ir.task import Task
from peritus.ir.types import IMAGE
from peritus.reference.patch_embed import PIXEL_ZERO_POINT

INT16_MAX = 32767
# Of a float residual stream, beyond the largest value on `full_range_picture`: two bits of its 16.
RESIDUAL_HEADROOM = 4.0


@dataclass(frozen=True)
class Lowering:
    """A lowered file: the integer graph, and what its parts are in the file.

    values: tensor -> name of the integer value. places: where the file has each value. scales: real value of
    one LSB of activations, by that name. roundings: where the accelerator rounds otherwise. pixel_scale: real
    value of one step of a pixel. maps: the tasks' outputs, in the order of the graph's tasks.
    """

    graph: Graph
    values: dict[str, str]
    places: dict[str, Place]
    scales: dict[str, float]
    roundings: Roundings
    pixel_scale: float
    maps: tuple[MapOutput, ...]


def lower(model: ModelProto) -> Graph:
    """Lower a QONNX model of one image (1, C, H, W) to a verified integer graph.

    Outputs of rank 4 are the tasks' maps, of rank 2 their logits. One of rank 3 is the residual stream
    ("features"); without it, that is what the heads read.

    Raises:
        UnsupportedLayerError: the graph does not follow the grammar, or a node breaks its contract; names it.
        GraphError: the integer graph breaks a rule of its own.
    """
    return lower_graph(OnnxGraph(model)).graph


def lower_graph(g: OnnxGraph) -> Lowering:
    """`lower`, with what the comparison and the report need besides."""
    c = Context(g)
    shape = g.shape(g.inputs[0]) if g.inputs else ()
    if len(shape) != 4 or shape[0] != 1 or min(shape) < 1:
        raise UnsupportedLayerError(f"the first input has shape {shape}, expected one image (1, C, H, W)")
    features, maps = outputs(g)
    try:
        last = residual(c, features or _read_by_head(c, maps[0]))
        c.block, c.norms = -1, 0
        tasks = tuple(_on_host(found) if found.host else head(c, found) for found in maps)
    except (ArithmeticError, LookupError, RecursionError, TypeError, ValueError) as error:
        # No rule expects this: a form of graph that none of them was written for.
        raise UnsupportedLayerError(
            f"the graph cannot be read behind {list(c.done)[-1:]}: {type(error).__name__}: {error}"
        ) from error
    graph = Graph(*shape[2:], tuple(c.nodes), tasks, last, c.residual_scale)
    return Lowering(graph, c.done, c.places, c.scales, c.roundings, c.pixel_scale, tuple(maps))


def _read_by_head(c: Context, output: MapOutput) -> str:
    """The tensor that the norm in front of a head reads."""
    found, _ = _logits(c, output)
    layer = c.linear(found.source)
    norm = c.g.producer(c.int8(layer.x, layer.node).inner.source, "LayerNormalization")
    return view(c.g, str(norm.input[0])).source


@dataclass(frozen=True)
class _State:
    """A state of the residual stream: the tensor that an Add computes from the one before it and a branch."""

    tensor: str
    branch: str


@dataclass(frozen=True)
class _Embedding:
    """patches: without their position. position: real values [prefix + patches, d], with the prefix."""

    tensor: str
    conv: NodeProto
    patches: FloatLinear
    position: F64


def residual(c: Context, tensor: str) -> str:
    """The residual stream up to `tensor`; the name of its last state."""
    states, start = _states(c, tensor)
    embedding = _embedding(c, start)
    if not c.residual_scale:
        c.residual_scale = _measured_scale(c, [start, *(state.tensor for state in states)])
    stream = embed(c, embedding)
    for state in states:
        stream = update(c, state, stream)
    return stream


def _states(c: Context, tensor: str) -> tuple[list[_State], str]:
    """The states in their order, and the tensor that the first of them adds to."""
    states: list[_State] = []
    reader = c.g.producer(view(c.g, tensor).source, "Quant", "Add", "Concat")
    while True:
        tensor = c.stream(tensor, reader)
        total = c.g.producer(tensor, "Add", "Concat")
        if total.op_type == "Concat" or any(map(c.is_table, total.input)):
            return states[::-1], tensor
        first, second = total.input
        before, branch = (second, first) if _is_branch(c, first) else (first, second)
        if not _is_branch(c, branch):
            raise unsupported(total, "neither input is a layer's contribution: MatMul + bias, or a MoE")
        states.append(_State(tensor, branch))
        tensor, reader = before, total


def _is_branch(c: Context, tensor: str) -> bool:
    """A contribution, not a state of the stream: a linear layer, or a MoE."""
    source = c.wide(tensor, c.residual_grid).source
    node = c.g.find(source)
    if node is not None and node.op_type == "Add" and any(map(c.is_table, node.input)):
        node = next(
            (found for found in map(c.g.find, node.input) if found and found.op_type == "MatMul"), None
        )
    return node is not None and node.op_type in ("MatMul", "Gemm", MOE)


def _measured_scale(c: Context, states: list[str]) -> float:
    """For a stream whose grid the file does not say, from the file's own execution."""
    found = Execution(c.g, c.pixel_scale).run(0)
    peak = max(float(np.abs(found[name]).max()) for name in states)
    if not 0 < peak < math.inf:
        raise UnsupportedLayerError(
            f"the residual stream reaches {peak} on a picture, expected finite values"
        )
    return peak * RESIDUAL_HEADROOM / INT16_MAX


def _embedding(c: Context, tensor: str) -> _Embedding:
    """Patches through one convolution, other tokens in front, plus a position table."""
    g = c.g
    position, conv = _position(c, tensor, g.producer(tensor, "Add", "Concat"))
    pixels = view(g, str(conv.input[0]))
    node = g.find(pixels.source)
    if node is None or node.op_type != "Quant":
        raise unsupported(
            conv,
            f"reads {pixels.source!r} in float, expected pixels: a quantizer is missing in front (Quant, "
            "unsigned 8 bits, scale 1/256 or 1/255; a QuantIdentity in Brevitas), with mean and standard "
            "deviation folded into the convolution",
        )
    _, image, scale = g.on_grid(pixels.source, 8, signed=False)
    if image != g.inputs[0]:
        raise unsupported(node, f"reads {image!r}, expected the image {g.inputs[0]!r}")
    if pixels.moved:
        raise unsupported(conv, "reads the pixels in another order, expected the image as it is")
    c.pixel_scale = scale
    kernel = g.quant_constant(conv.input[1])
    outputs, _, *size = kernel.values.shape
    if size[0] != size[1]:
        raise unsupported(conv, f"patches of {size[0]} x {size[1]} pixels, expected squares")
    g.require(conv, strides=size)
    weight = kernel.transpose([0, 2, 3, 1]).reshape(outputs, -1)  # patch vectors are (ky, kx, c)
    bias = c.table(conv.input[2], BIAS_BITS) if len(conv.input) > 2 else np.zeros(outputs)
    factor = np.full(outputs, c.one_factor(conv, pixels.factor))
    patches = FloatLinear(conv, pixels.source, weight, bias / factor).rows(np.arange(outputs), factor)
    c.tokens = len(position)
    c.prefix = c.tokens - c.grid[0] * c.grid[1]
    return _Embedding(tensor, conv, patches, position)


def _position(c: Context, tensor: str, reader: NodeProto) -> tuple[F64, NodeProto]:
    """What is added to the patches [rows, d], other tokens included; and the convolution of the patches."""
    g = c.g
    found = c.wide(tensor, c.residual_grid)
    node = g.producer(found.source, "Add", "Concat", "Pad", "Conv")
    if not (found.factor == 1).all():
        raise unsupported(reader, "multiplies tokens, expected them as they are")
    if node.op_type == "Conv":
        _, d, *extent = g.shape(found.source)
        c.grid = extent[0], extent[1]
        if not np.array_equal(found.index.reshape(-1, d), np.arange(found.index.size).reshape(d, -1).T):
            raise unsupported(reader, "its patches are moved, expected them row by row")
        return np.zeros((extent[0] * extent[1], d)), node
    if found.moved:
        raise unsupported(reader, "moves tokens, expected them as they are")
    if node.op_type == "Add":
        rest, constant = node.input if c.is_table(node.input[1]) else node.input[::-1]
        inner, conv = _position(c, rest, node)
        table = c.table(constant)
        if table.shape not in (inner.shape, (1, *inner.shape)):
            raise unsupported(node, f"a position table of shape {table.shape}, expected {(1, *inner.shape)}")
        return inner + table.reshape(inner.shape), conv
    if node.op_type == "Pad":
        pads = g.integers(node.input[1]).ravel().tolist()
        if len(pads) != 6 or pads[1] < 1 or any(pads[:1] + pads[2:]):
            raise unsupported(node, f"pads = {pads}, expected tokens in front of the patches")
        if (
            len(node.input) > 2
            and any(node.input[2:])
            and (g.scalar(node.input[2]) != 0 or any(node.input[3:]))
        ):
            raise unsupported(node, "pads with a value or along chosen axes, expected zeros along all")
        inner, conv = _position(c, str(node.input[0]), node)
        return np.concatenate([np.zeros((pads[1], inner.shape[1])), inner]), conv
    first, rest = node.input
    if g.said(node)["axis"] not in (1, -2) or not c.is_table(first):
        raise unsupported(node, "expected constant tokens in front of the patches, along axis 1")
    inner, conv = _position(c, rest, node)
    table = c.table(first)
    return np.concatenate([table.reshape(-1, inner.shape[1]), inner]), conv


def embed(c: Context, found: _Embedding) -> str:
    """The first state of the stream."""
    pixels = Steps(c.pixel_scale, PIXEL_ZERO_POINT)
    patch = c.affine(found.conv, found.patches.weight, found.patches.bias, pixels, c.residual_scale)
    position = np.floor(found.position / c.residual_scale + 0.5)
    if not (np.abs(position + 0.5) <= INT16_MAX + 0.5).all():
        peak = np.abs(found.position).max()
        raise unsupported(
            found.conv, f"its positions reach {peak:.3g}, beyond 16 bits of {c.residual_scale:g}"
        )
    size = c.g.said(found.conv)["strides"][0]
    table = position.astype(np.int16)
    return c.once(found.tensor, "patch_embed", lambda name: PatchEmbed(name, (IMAGE,), patch, table, size))


def update(c: Context, state: _State, stream: str) -> str:
    """The next state of the stream."""
    branch = c.wide(state.branch, c.residual_grid)
    node = c.g.producer(branch.source, "Add", "MatMul", "Gemm", MOE)
    if node.op_type == MOE:
        x = activation(c, str(node.input[0]), node)
        if branch.moved or not (branch.factor == 1).all():
            raise unsupported(node, "its result is moved or multiplied, expected it as it is")
        return moe(c, state.tensor, node, stream, x)
    attends = _reads_attention(c, branch.source)
    if attends:
        c.block, c.norms = c.block + 1, 0
    added = contribution(c, state.branch, branch, "attn.proj" if attends else "mlp.fc2")
    name = c.in_block("add" if attends else "add_2")
    return c.once(state.tensor, name, lambda name: Add(name, (stream, added)))


def _reads_attention(c: Context, tensor: str) -> bool:
    """The contribution's layer reads merged heads, in contrast to hidden values."""
    layer = c.linear(tensor)
    source = c.g.find(c.int8(layer.x, layer.node).inner.source)
    return source is not None and source.op_type in ("MatMul", "Div")


def contribution(c: Context, tensor: str, found: View, name: str) -> str:
    """A linear layer whose result is added to the residual stream."""
    layer = c.channels(c.linear(found.source), found)
    x = activation(c, layer.x, layer.node)
    layer = c.on_all_tokens(layer, x)
    dense = c.affine(layer.node, layer.weight, layer.bias, x, c.residual_scale)
    return c.once(tensor, c.in_block(name), lambda name: Linear(name, (x.name,), dense, bits=16))


def activation(c: Context, tensor: str, reader: NodeProto) -> Activation:
    """What `reader` reads, which must be int8."""
    x = c.int8(tensor, reader)
    node = c.g.producer(x.inner.source, "LayerNormalization", "MatMul", "Div", *HIDDEN)
    if node.op_type == "LayerNormalization":
        return layer_norm(c, x, node)
    if node.op_type in HIDDEN:
        return hidden(c, x)
    mix = c.g.producer(node.input[0], "MatMul") if node.op_type == "Div" else node
    return attention(c, x, mix, node if node is not mix else None, activation)


def layer_norm(c: Context, x: Int8, norm: NodeProto) -> Activation:
    """LayerNorm of the residual stream, of all tokens, also where the file cuts some off before it."""
    g = c.g
    found = c.wide(str(norm.input[0]), c.residual_grid)
    if found.source not in c.done:
        raise unsupported(norm, f"reads {found.source!r}, expected the residual stream")
    width = g.shape(norm.input[0])[-1]
    rows = found.index.reshape(-1, width)
    if not np.array_equal(rows, rows[:, :1] + np.arange(width)) or (rows[:, 0] % width).any():
        raise unsupported(norm, "reads channels in parts, expected whole tokens")
    factor = c.one_factor(norm, found.factor) * c.one_factor(x.quant, x.inner.factor)
    if factor != 1:
        raise unsupported(norm, f"input or result multiplied by {factor:g}, expected them as they are")
    value = c.done[found.source]
    gamma = c.table(norm.input[1]) / x.scale
    beta = c.table(norm.input[2]) / x.scale if len(norm.input) > 2 else np.zeros(len(gamma))
    epsilon = round(g.said(norm)["epsilon"] * len(gamma) ** 2 / c.residual_scale**2)
    of = found.index.ravel()[x.inner.index]
    if str(x.quant.output[0]) not in c.done:
        c.norms += 1
    if c.block < 0:
        name = "final_norm" if c.norms < 2 else f"final_norm_{c.norms}"
    else:
        name = c.in_block(f"norm{c.norms}")

    def build(name: str) -> LayerNorm:
        return LayerNorm(name, (value,), *affine_norm(gamma, beta), epsilon)

    return c.activation(x, name, of, (c.tokens, width), build)


def hidden(c: Context, x: Int8) -> Activation:
    """First layer of an MLP with its activation, in Q.8, then to int8 by a factor per channel."""
    g = c.g
    after = c.in_format(str(x.quant.input[0]), GELU_SCALE, at_source=True)
    function = g.producer(after.source, *BY_OPERATOR)
    operator = BY_OPERATOR[function.op_type]
    g.require(function, **operator.attributes)
    before = c.in_format(str(function.input[0]), GELU_SCALE)
    layer = c.channels(c.linear(before.source), before)
    source = activation(c, layer.x, layer.node)
    layer = c.on_all_tokens(layer, source)
    dense = c.affine(layer.node, layer.weight, layer.bias, source, GELU_SCALE)
    if after.moved:
        raise unsupported(function, "its results are moved, expected tokens and channels in order")
    factors = c.by_channel(x.quant, after.factor)

    def build(name: str) -> Linear:
        rescale = requant(factors * GELU_SCALE / x.scale)
        return Linear(
            name,
            (source.name,),
            dense,
            operator.function,
            rescale,
            zero_point=x.zero_point,
        )

    of = np.arange(after.index.size).reshape(after.index.shape)
    return c.activation(x, c.in_block("mlp.fc1"), of, (c.tokens, len(layer.bias)), build)


def _logits(c: Context, output: MapOutput) -> tuple[View, float | None]:
    """A map as a view of what a linear layer computes, and the scale of its Quant of 16 bits, if any."""
    scales: list[float] = []

    def grid(node: NodeProto) -> None:
        scales.append(c.g.on_grid(str(node.output[0]), 16)[2])

    return c.wide(output.tensor, grid), scales[0] if scales else None


def _on_host(output: MapOutput) -> Task:
    """A task whose map the host computes of the residual stream."""
    rows, columns, channels = output.host
    if len(output.classes) not in (0, channels) or output.kind is None:
        raise UnsupportedLayerError(
            f"task {output.name!r}: {len(output.classes)} class names for {channels} channels"
        )
    return Task(output.name, output.kind, channels, 1.0, output.classes, (rows, columns))


def head(c: Context, output: MapOutput) -> Task:
    """One task's map: logits of the patch tokens, pixel shuffled; or of the class token alone."""
    g = c.g
    found, scale = _logits(c, output)
    layer = c.linear(found.source)
    x = activation(c, layer.x, layer.node)
    layer, tokens = c.reading(layer, x)
    patches = list(range(c.prefix, c.tokens))
    if tokens.tolist() not in ([0] if c.prefix else patches, patches):
        raise unsupported(
            layer.node,
            f"reads {len(tokens)} of {c.tokens} tokens, from {tokens[0]} on, expected the class token alone "
            "or all patches",
        )
    first = int(tokens[0])
    classifies = first < c.prefix
    rows, columns = (1, 1) if classifies else c.grid
    _, channels, height, width = (*g.shape(output.tensor), 1, 1)[:4]
    upscale = height // rows
    if (height, width) != (rows * upscale, columns * upscale):
        raise unsupported(
            layer.node, f"a map of {height} x {width} from {rows} x {columns} tokens, expected a multiple"
        )
    # From (c, y, sy, x, sx) to tokens with channels (sy, sx, c).
    index = found.index.reshape(channels, rows, upscale, columns, upscale).transpose(1, 3, 2, 4, 0)
    index = index.reshape(len(tokens), -1)
    outputs = len(layer.bias)
    chosen: I64 = index[0] % outputs
    expected = np.arange(len(tokens))[:, None] * outputs + chosen
    if not np.array_equal(index, expected) or len(chosen) != outputs:
        raise unsupported(layer.node, "its outputs become no map: a pixel must come from the token it is in")
    layer = layer.rows(chosen, np.full(outputs, c.one_factor(layer.node, found.factor)))
    if scale is None:
        reach = np.abs(layer.weight.values * layer.weight.scale).sum(axis=1) * x.scale * 128
        scale = float((reach + np.abs(layer.bias)).max()) / INT16_MAX
    logits = c.affine(layer.node, layer.weight, layer.bias, x, scale)
    c.once(
        output.tensor,
        f"decoders.{output.name}.head",
        lambda name: Head(name, (x.name,), output.name, logits, upscale, rows, columns, first),
        np.arange(found.index.size).reshape(channels, height, width).transpose(1, 2, 0).ravel(),
    )
    kind = output.kind or ("classification" if classifies else "depth" if channels == 1 else "segmentation")
    if (kind == "classification") != classifies:
        raise unsupported(layer.node, f"task {output.name!r} is a {kind}, but reads tokens from {first} on")
    if len(output.classes) not in (0, channels):
        raise unsupported(
            layer.node, f"{len(output.classes)} class names for {channels} channels of {output.name!r}"
        )
    return Task(output.name, kind, channels, scale, output.classes)
