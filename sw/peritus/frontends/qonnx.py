# SPDX-License-Identifier: Apache-2.0
"""QONNX -> integer graph.

A recursive descent from the graph's outputs to the image; one function per rule of this grammar, most of them
building one node of the integer graph. Quants are fixed grids, scales between them become integer factors.

    residual     := Quant16(residual + contribution) | Quant16(residual + moe) | embedding
    embedding    := Quant16(Pad(Quant16(Conv(Quant8u(image)))) + Quant16(position))
    contribution := Quant16(linear(activation))                         linear := MatMul(x, Quant8(w)) + bias
    activation   := Quant8(LayerNorm(residual)) | hidden | attention
    hidden       := Quant8(Quant16(function(Quant16(linear(activation)))) * factor)
    map          := pixel shuffle(Quant16(linear(Quant8(LayerNorm(residual[1:])))))

`qonnx_attention` has the rule of attention, `qonnx_moe` the rule of moe.
"""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
from onnx import ModelProto, NodeProto

from peritus.frontends.activations import BY_OPERATOR
from peritus.frontends.lowering import Activation, Context, affine, path
from peritus.frontends.moe_format import MOE
from peritus.frontends.onnx_graph import OnnxGraph, UnsupportedLayerError, unsupported
from peritus.frontends.qonnx_attention import attention
from peritus.frontends.qonnx_moe import moe
from peritus.ir.formats import GELU_SCALE
from peritus.ir.graph import Graph
from peritus.ir.ops import Add, Head, LayerNorm, Linear, PatchEmbed
from peritus.ir.requant import affine_norm, requant
from peritus.ir.task import Task
from peritus.ir.types import IMAGE

TASKS_KEY = "peritus.tasks"  # model metadata: JSON list of {name, kind, classes}


def lower(model: ModelProto) -> Graph:
    """Lower a QONNX model of one image (1, 3, H, W) to a verified integer graph.

    The output of rank 3 is the residual stream ("features"), those of rank 4 the tasks' maps, in order.

    Raises:
        UnsupportedLayerError: the graph does not follow the grammar; names the node.
        GraphError: the integer graph breaks a rule of its own.
    """
    c = Context(OnnxGraph(model))
    g = c.g
    shape = g.shape(g.inputs[0]) if g.inputs else ()
    if len(shape) != 4 or shape[:2] != (1, 3):
        raise UnsupportedLayerError(f"the first input has shape {shape}, expected one image (1, 3, H, W)")
    streams = [name for name in g.outputs if len(g.shape(name)) == 3]
    maps = [name for name in g.outputs if len(g.shape(name)) == 4]
    if len(streams) != 1 or not maps:
        raise UnsupportedLayerError(f"outputs {g.outputs}: expected one of rank 3 and at least one of rank 4")
    features = residual(c, streams[0])
    tasks = tuple(head(c, name) for name in maps)
    return Graph(*shape[2:], tuple(c.nodes), tasks, features, c.residual_scale)


def residual(c: Context, tensor: str) -> str:
    """A state of the residual stream."""
    if tensor in c.done:
        return c.done[tensor]
    total = c.g.producer(c.on_residual_grid(tensor), "Add")
    first, second = total.input
    if c.g.producer(first, "Quant", "Pad").op_type == "Pad":
        return embedding(c, tensor, total)
    stream = residual(c, first)
    branch = c.g.producer(second, "Quant", MOE)
    if branch.op_type == MOE:
        return moe(c, tensor, branch, stream, activation(c, branch.input[0]))
    added = contribution(c, second)
    count = str(total.name).rpartition("/")[2].removeprefix("Add")  # "_2" for the second Add of a block
    return c.once(tensor, lambda: Add(f"{path(total)}.add{count}", (stream, added)))


def embedding(c: Context, tensor: str, total: NodeProto) -> str:
    """Patches through one convolution, plus the position table, which holds the class token."""
    g = c.g
    pad = g.producer(total.input[0], "Pad")
    pads = g.constant(pad.input[1]).tolist()
    if pads != [0, 1, 0, 0, 0, 0]:
        raise unsupported(pad, f"pads = {pads}, expected one class token in front")
    rows = g.through(c.on_residual_grid(pad.input[0]), "Transpose", perm=[0, 2, 1])
    conv = g.producer(g.through(rows, "Reshape"), "Conv")
    pixels, image, pixel_scale = g.on_grid(conv.input[0], 8, signed=False)
    if image != g.inputs[0]:
        raise unsupported(pixels, f"reads {image!r}, expected the image {g.inputs[0]!r}")
    kernel = g.quant_constant(conv.input[1])
    size = kernel.values.shape[-1]
    g.require(conv, kernel_shape=[size, size], strides=[size, size], pads=[0, 0, 0, 0], group=1)
    weight = kernel.transpose([0, 2, 3, 1]).reshape(len(kernel.values), -1)  # patch vectors are (ky, kx, c)
    patch = affine(weight, g.floats(conv.input[2]), pixel_scale, c.residual_scale)
    # The accelerator's pixels are p - 128.
    shifted = patch.bias + 128 * weight.values.sum(axis=1)
    patch = replace(patch, bias=shifted.astype(np.int32))
    c.on_residual_grid(total.input[1])
    position = g.quant_constant(total.input[1]).values[0].astype(np.int16)
    return c.once(tensor, lambda: PatchEmbed(path(conv), (IMAGE,), patch, position, size))


def contribution(c: Context, tensor: str) -> str:
    """A linear layer whose result is added to the residual stream."""
    layer = c.linear(c.on_residual_grid(tensor))
    x = activation(c, layer.x)
    dense = affine(layer.weight, layer.bias, x.scale, c.residual_scale)
    return c.once(tensor, lambda: Linear(path(layer.node), (x.name,), dense, bits=16))


def activation(c: Context, tensor: str) -> Activation:
    """An int8 activation tensor."""
    g = c.g
    if g.producer(tensor, "Quant", "Reshape").op_type == "Reshape":
        heads = g.through(g.through(tensor, "Reshape"), "Transpose", perm=[0, 2, 1, 3])
        return attention(c, heads, lambda x: activation(c, x))
    _, source, scale = g.on_grid(tensor, 8)
    producer = g.producer(source, "LayerNormalization", "Mul")
    rule = layer_norm if producer.op_type == "LayerNormalization" else hidden
    return Activation(rule(c, tensor, producer, scale), scale)


def layer_norm(c: Context, tensor: str, norm: NodeProto, scale: float) -> str:
    """LayerNorm of the residual stream, of all tokens: heads drop the class token themselves."""
    g = c.g
    g.require(norm, axis=-1)
    stream = norm.input[0]
    cut = g.find(stream)
    if cut is not None and cut.op_type == "Slice":
        start, stop, axis, step = (int(g.constant(name).item()) for name in cut.input[1:5])
        stream = cut.input[0]
        if (start, axis, step) != (1, 1, 1) or stop < g.shape(stream)[1]:
            raise unsupported(cut, f"[{start}:{stop}:{step}] of axis {axis}, expected tokens 1.. of axis 1")
    value = residual(c, stream)
    gamma, beta = (g.floats(name) / scale for name in norm.input[1:3])
    epsilon = round(g.attributes(norm)["epsilon"] * len(gamma) ** 2 / c.residual_scale**2)
    return c.once(tensor, lambda: LayerNorm(path(norm), (value,), *affine_norm(gamma, beta), epsilon))


def hidden(c: Context, tensor: str, factor: NodeProto, scale: float) -> str:
    """First layer of an MLP with its activation, in Q.8, then to int8 by a factor per channel."""
    g = c.g
    after, factors = g.split_constant(factor)
    activated = g.on_fixed_grid(after, 16, GELU_SCALE)
    operator = BY_OPERATOR[g.producer(activated, *BY_OPERATOR).op_type]
    before = g.through(activated, operator.op_type, **operator.attributes)
    layer = c.linear(g.on_fixed_grid(before, 16, GELU_SCALE))
    x = activation(c, layer.x)
    dense = affine(layer.weight, layer.bias, x.scale, GELU_SCALE)
    rescale = requant(factors.ravel() * GELU_SCALE / scale)
    return c.once(tensor, lambda: Linear(path(layer.node), (x.name,), dense, operator.function, rescale))


def head(c: Context, tensor: str) -> Task:
    """One task's map: logits of the patch tokens, pixel shuffled."""
    g = c.g
    split = g.producer(
        g.through(g.through(tensor, "Reshape"), "Transpose", perm=[0, 5, 1, 3, 2, 4]), "Reshape"
    )
    _, rows, columns, upscale, upscale_x, _ = g.constant(split.input[1]).tolist()
    if upscale != upscale_x:
        raise unsupported(split, f"upscale {upscale} x {upscale_x}, expected the same in both directions")
    _, source, scale = g.on_grid(split.input[0], 16)
    layer = c.linear(source)
    x = activation(c, layer.x)
    logits = affine(layer.weight, layer.bias, x.scale, scale)
    c.once(tensor, lambda: Head(path(layer.node), (x.name,), tensor, logits, upscale, rows, columns))
    channels = g.shape(tensor)[1]
    described = {task["name"]: task for task in json.loads(g.metadata.get(TASKS_KEY, "[]"))}.get(tensor, {})
    kind = described.get("kind", "depth" if channels == 1 else "segmentation")
    return Task(tensor, kind, channels, scale, tuple(described.get("classes", ())))
