# SPDX-License-Identifier: Apache-2.0
"""QONNX -> integer graph.

A recursive descent from the graph's outputs to the image; one function per rule of this grammar, most of them
building one node of the integer graph. Quants are fixed grids, scales between them become integer factors.
The inputs of an Add may come in either order, and a bias may be left out.

    residual     := Quant16(residual + contribution) | Quant16(residual + moe) | embedding
    embedding    := Quant16(Pad(Quant16(Conv(Quant8u(image)))) + Quant16(position))    Pad only behind a
    prefix contribution := Quant16(linear(activation))                         linear := MatMul(x, Quant8(w))
    + bias activation   := Quant8(LayerNorm(residual)) | hidden | attention
    hidden       := Quant8(Quant16(function(Quant16(linear(activation)))) * factor)
    map          := pixel shuffle(Quant16(linear(Quant8(LayerNorm(residual)[prefix:]))))

`qonnx_attention` has the rule of attention, `qonnx_moe` the rule of moe, `qonnx_tasks` which map is which
task's. What a node may say besides is the contract of `operators`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from onnx import ModelProto, NodeProto

from peritus.frontends.activations import BY_OPERATOR
from peritus.frontends.errors import UnsupportedLayerError, unsupported
from peritus.frontends.lowering import Activation, Context
from peritus.frontends.moe_format import MOE
from peritus.frontends.onnx_graph import OnnxGraph
from peritus.frontends.operators import attributes
from peritus.frontends.qonnx_attention import attention
from peritus.frontends.qonnx_moe import moe
from peritus.frontends.qonnx_tasks import MapOutput, outputs
from peritus.ir.formats import GELU_SCALE
from peritus.ir.graph import Graph
from peritus.ir.ops import Add, Head, LayerNorm, Linear, PatchEmbed
from peritus.ir.requant import affine_norm, requant
from peritus.ir.task import Task
from peritus.ir.types import IMAGE


@dataclass(frozen=True)
class Lowering:
    """A lowered file: the integer graph, and what its parts are in the file.

    values: tensor -> name of the integer value. scales: real value of one LSB of activations, by that name.
    pixel_scale: real value of one step of a pixel. features: the
    output that is the residual stream. maps: the tasks' outputs, in the order of the graph's tasks.
    """

    graph: Graph
    values: dict[str, str]
    scales: dict[str, float]
    pixel_scale: float
    features: str
    maps: tuple[MapOutput, ...]


def lower(model: ModelProto) -> Graph:
    """Lower a QONNX model of one image (1, C, H, W) to a verified integer graph.

    The output of rank 3 is the residual stream ("features"), those of rank 4 are the tasks' maps.

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
    stream, maps = outputs(g)
    try:
        features = residual(c, dict(g.outputs)[stream])
        c.block, c.norms = -1, 0
        tasks = tuple(_on_host(c, found) if found.host else head(c, found) for found in maps)
    except (ArithmeticError, LookupError, RecursionError, TypeError, ValueError) as error:
        # No rule expects this: a form of graph that none of them was written for.
        raise UnsupportedLayerError(
            f"the graph cannot be read behind {list(c.done)[-1:]}: {type(error).__name__}: {error}"
        ) from error
    graph = Graph(*shape[2:], tuple(c.nodes), tasks, features, c.residual_scale)
    return Lowering(graph, c.done, c.scales, c.pixel_scale, stream, tuple(maps))


def residual(c: Context, tensor: str) -> str:
    """A state of the residual stream."""
    if tensor in c.done:
        return c.done[tensor]
    g = c.g
    total = g.producer(c.on_residual_grid(tensor), "Add")
    for patches, position in (total.input, total.input[::-1]):
        if _is_patches(c, patches):
            return embedding(c, tensor, total, patches, position)
    first, second = total.input
    before, branch = (second, first) if _is_branch(c, first) else (first, second)
    if not _is_branch(c, branch):
        raise unsupported(total, "neither input is a layer's contribution: Quant(MatMul + bias), or a MoE")
    stream = residual(c, before)
    node = g.producer(branch, "Quant", MOE)
    if node.op_type == MOE:
        return moe(c, tensor, node, stream, activation(c, node.input[0]))
    attends = _reads_attention(c, branch)
    if attends:
        c.block, c.norms = c.block + 1, 0
    added = contribution(c, branch, "attn.proj" if attends else "mlp.fc2")
    name = c.in_block("add" if attends else "add_2")
    return c.once(tensor, name, lambda name: Add(name, (stream, added)))


def _is_branch(c: Context, tensor: str) -> bool:
    """A contribution, not a state of the stream: its Quant rounds a linear layer, or it is a MoE."""
    node = c.g.find(tensor)
    if node is None or node.op_type != "Quant":
        return node is not None and node.op_type == MOE
    source = c.g.find(node.input[0])
    if source is not None and source.op_type == "Add":
        return any(c.g.is_constant(name) for name in source.input)
    return source is not None and source.op_type == "MatMul"


def _is_patches(c: Context, tensor: str) -> bool:
    """Patches on the residual grid, behind a prefix of zeros or without."""
    node = c.g.find(tensor)
    if node is None or node.op_type != "Quant":
        return node is not None and node.op_type == "Pad"
    source = c.g.find(node.input[0])
    return source is not None and source.op_type == "Transpose"


def _prefix(c: Context, pad: NodeProto) -> int:
    """Rows of zeros that a Pad puts in front of the patches."""
    g = c.g
    pads = g.integers(pad.input[1]).ravel().tolist()
    if len(pads) != 6 or pads[1] < 1 or any(pads[:1] + pads[2:]):
        raise unsupported(pad, f"pads = {pads}, expected tokens in front of the patches")
    if len(pad.input) > 2 and any(pad.input[2:]) and (g.scalar(pad.input[2]) != 0 or any(pad.input[3:])):
        raise unsupported(pad, "pads with a value or along chosen axes, expected zeros along all")
    return int(pads[1])


def _reads_attention(c: Context, tensor: str) -> bool:
    """The contribution's layer reads merged heads, in contrast to hidden values."""
    node = c.g.find(c.linear(c.on_residual_grid(tensor)).x)
    return node is not None and node.op_type == "Reshape"


def embedding(c: Context, tensor: str, total: NodeProto, patches: str, position: str) -> str:
    """Patches through one convolution, plus the position table, which holds the prefix: the class token."""
    g = c.g
    pad = g.producer(patches, "Pad", "Quant")
    if pad.op_type == "Pad":
        c.prefix, patches = _prefix(c, pad), pad.input[0]
    rows = g.through(c.on_residual_grid(patches), "Transpose", perm=[0, 2, 1])
    conv = g.producer(g.through(rows, "Reshape"), "Conv")
    _, d, *extent = g.shape(conv.output[0])
    g.reshaped(rows, "patches", (1, d, extent[0] * extent[1]))
    pixels, image, c.pixel_scale = g.on_grid(conv.input[0], 8, signed=False)
    if image != g.inputs[0]:
        raise unsupported(pixels, f"reads {image!r}, expected the image {g.inputs[0]!r}")
    kernel = g.quant_constant(conv.input[1])
    size = kernel.values.shape[-1]
    if kernel.values.shape[-2:] != (size, size):
        raise unsupported(conv, f"patches of {kernel.values.shape[-2:]} pixels, expected squares")
    g.require(conv, strides=[size, size])
    weight = kernel.transpose([0, 2, 3, 1]).reshape(len(kernel.values), -1)  # patch vectors are (ky, kx, c)
    bias = g.floats(conv.input[2]) if len(conv.input) > 2 else np.zeros(d)
    patch = c.affine(conv, weight, bias, c.pixel_scale, c.residual_scale)
    # The accelerator's pixels are p - 128.
    shifted = patch.bias + 128 * patch.weight.astype(np.int64).sum(axis=1)
    patch = replace(patch, bias=shifted.astype(np.int32))
    c.on_residual_grid(position)
    table = g.quant_constant(position).values
    if table.shape != (1, c.prefix + extent[0] * extent[1], d):
        raise unsupported(total, f"a position table of shape {table.shape}")
    c.tokens = table.shape[1]
    first = table[0].astype(np.int16)
    return c.once(tensor, "patch_embed", lambda name: PatchEmbed(name, (IMAGE,), patch, first, size))


def contribution(c: Context, tensor: str, name: str) -> str:
    """A linear layer whose result is added to the residual stream."""
    layer = c.linear(c.on_residual_grid(tensor))
    x = activation(c, layer.x)
    dense = c.affine(layer.node, layer.weight, layer.bias, x.scale, c.residual_scale)
    return c.once(tensor, c.in_block(name), lambda name: Linear(name, (x.name,), dense, bits=16))


def activation(c: Context, tensor: str) -> Activation:
    """An int8 activation tensor."""
    g = c.g
    if g.producer(tensor, "Quant", "Reshape").op_type == "Reshape":
        mixed = g.through(g.through(tensor, "Reshape"), "Transpose", perm=[0, 2, 1, 3])
        _, heads, tokens, width = g.shape(mixed)
        g.reshaped(tensor, "merged heads", (1, tokens, heads * width))
        return attention(c, mixed, lambda x: activation(c, x))
    _, source, scale = g.on_grid(tensor, 8)
    producer = g.producer(source, "LayerNormalization", "Mul")
    rule = layer_norm if producer.op_type == "LayerNormalization" else hidden
    return rule(c, tensor, producer, scale)


def layer_norm(c: Context, tensor: str, norm: NodeProto, scale: float) -> Activation:
    """LayerNorm of the residual stream, of all tokens: heads drop the class token themselves."""
    g = c.g
    if tensor in c.done:
        return Activation(c.done[tensor], scale)
    stream = norm.input[0]
    cut = g.find(stream)
    if cut is not None and cut.op_type == "Slice":
        stream = g.through(stream, "Slice")
        if c.block >= 0:
            raise unsupported(cut, "cuts tokens inside a block, expected the whole residual stream")
    value = residual(c, stream)
    if cut is not None and cut.op_type == "Slice" and _cut_tokens(c, cut) != c.prefix:
        raise unsupported(cut, "keeps the class token in front of a norm, expected the patches")
    gamma = g.floats(norm.input[1]) / scale
    beta = g.floats(norm.input[2]) / scale if len(norm.input) > 2 else np.zeros(len(gamma))
    epsilon = round(attributes(norm)["epsilon"] * len(gamma) ** 2 / c.residual_scale**2)
    if c.block < 0:
        name = "final_norm" if not c.norms else f"final_norm_{c.norms + 1}"
    else:
        name = c.in_block(f"norm{c.norms + 1}")
    c.norms += 1
    return c.activation(
        tensor, name, scale, lambda name: LayerNorm(name, (value,), *affine_norm(gamma, beta), epsilon)
    )


def _cut_tokens(c: Context, cut: NodeProto) -> int:
    """First of the tokens that a Slice keeps of (1, N, d): of the patches behind the prefix; 0, the class
    token alone."""
    g = c.g
    bounds = [g.integers(name).ravel().tolist() for name in cut.input[1:]]
    start, stop = bounds[:2]
    axes = bounds[2] if len(bounds) > 2 else [0]
    step = bounds[3] if len(bounds) > 3 else [1]
    if axes in ([1], [-2]) and step == [1] and len(start) == len(stop) == 1:
        if start == [c.prefix] and stop[0] >= c.tokens:
            return c.prefix
        if c.prefix and start == [0] and stop == [1]:
            return 0
    expected = f"[{c.prefix}:] or [:1] of axis 1"
    raise unsupported(cut, f"[{start}:{stop}:{step}] of axes {axes}, expected {expected}")


def hidden(c: Context, tensor: str, factor: NodeProto, scale: float) -> Activation:
    """First layer of an MLP with its activation, in Q.8, then to int8 by a factor per channel."""
    g = c.g
    after, factors = g.split_constant(factor)
    activated = g.on_fixed_grid(after, 16, GELU_SCALE)
    operator = BY_OPERATOR[g.producer(activated, *BY_OPERATOR).op_type]
    before = g.through(activated, operator.op_type, **operator.attributes)
    layer = c.linear(g.on_fixed_grid(before, 16, GELU_SCALE))
    x = activation(c, layer.x)
    dense = c.affine(layer.node, layer.weight, layer.bias, x.scale, GELU_SCALE)
    if factors.size not in (1, len(layer.bias)) or factors.shape[-1:] != (factors.size,) * bool(factors.ndim):
        raise unsupported(factor, f"factors of shape {factors.shape}, expected one per hidden channel")
    spread = np.broadcast_to(factors.ravel(), (len(layer.bias),))

    def build(name: str) -> Linear:
        return Linear(name, (x.name,), dense, operator.function, requant(spread * GELU_SCALE / scale))

    return c.activation(tensor, c.in_block("mlp.fc1"), scale, build)


def _read_tokens(c: Context, tensor: str) -> tuple[Activation, int]:
    """The activation that a head reads, and its first token: of all patches, or 0, the class token alone.

    Tokens are cut behind the norm, or, in older exports, in front of it; without a prefix not at all.
    """
    g = c.g
    cut = g.producer(tensor, "Slice", "Quant")
    if cut.op_type == "Quant":
        return activation(c, tensor), c.prefix
    x = activation(c, str(cut.input[0]))
    if g.shape(cut.input[0])[1] != c.tokens:
        raise unsupported(cut, f"cuts {g.shape(cut.input[0])[1]} tokens, expected all {c.tokens}")
    return x, _cut_tokens(c, cut)


def _on_host(c: Context, output: MapOutput) -> Task:
    """A task whose map the host computes of the residual stream."""
    residual(c, output.tensor)
    rows, columns, channels = output.host
    if len(output.classes) not in (0, channels) or output.kind is None:
        raise UnsupportedLayerError(
            f"task {output.name!r}: {len(output.classes)} class names for {channels} channels"
        )
    return Task(output.name, output.kind, channels, 1.0, output.classes, (rows, columns))


def head(c: Context, output: MapOutput) -> Task:
    """One task's map: logits of the patch tokens, pixel shuffled."""
    g, tensor = c.g, output.tensor
    split = g.producer(
        g.through(g.through(tensor, "Reshape"), "Transpose", perm=[0, 5, 1, 3, 2, 4]), "Reshape"
    )
    shape = g.shape(split.output[0])
    _, rows, columns, upscale, upscale_x, channels = shape
    if upscale != upscale_x:
        raise unsupported(split, f"upscale {upscale} x {upscale_x}, expected the same in both directions")
    g.reshaped(tensor, "a map", (1, channels, rows * upscale, columns * upscale))
    _, source, scale = g.on_grid(split.input[0], 16)
    layer = c.linear(source)
    x, first = _read_tokens(c, layer.x)
    logits = c.affine(layer.node, layer.weight, layer.bias, x.scale, scale)
    c.once(
        tensor,
        f"decoders.{output.name}.head",
        lambda name: Head(name, (x.name,), output.name, logits, upscale, rows, columns, first),
    )
    classifies = first < c.prefix
    kind = output.kind or ("classification" if classifies else "depth" if channels == 1 else "segmentation")
    if (kind == "classification") != classifies:
        raise unsupported(split, f"task {output.name!r} is a {kind}, but reads tokens from {first} on")
    if len(output.classes) not in (0, channels):
        raise unsupported(
            split, f"{len(output.classes)} class names for {channels} channels of {output.name!r}"
        )
    return Task(output.name, kind, channels, scale, output.classes)
