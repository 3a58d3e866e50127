# SPDX-License-Identifier: Apache-2.0
"""The attention rule of the QONNX grammar (see `qonnx`; view, wide and int8 as there).

attention := int8(view(MatMul(p, v)))   p := Quant8u..16u(Softmax(scores))
           | int8(view(MatMul(p, v) / ReduceSum(p)))   p := Quant8u(2 ^ (scores - ReduceMax(scores)))
scores    := wide(MatMul(q, k))         q, k, v := int8(view(linear(activation)))

The accelerator has the second form. The softmax of the first is the same in octaves; its quantizer is passed,
for the accelerator's probabilities have 8 bits below the largest of each row.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from onnx import NodeProto

from peritus.frontends.errors import unsupported
from peritus.frontends.lowering import Activation, Context, FloatLinear, Int8
from peritus.frontends.onnx_graph import F64, I64
from peritus.ir.formats import PROBABILITY_SCALE, SCORE_SCALE
from peritus.ir.ops import Attention, Linear
from peritus.ir.requant import requant

STAGE1_BITS, RESULT_LIMIT = 24, 128
PROBABILITY_BITS = range(8, 17)

Rule = Callable[[Context, str, NodeProto], Activation]


@dataclass(frozen=True)
class _Operand:
    """Q, K or V: an activation [tokens, heads * head_dim], and what it is multiplied by afterwards."""

    name: str
    scale: float
    factor: float


def attention(
    c: Context, x: Int8, mix: NodeProto, division: NodeProto | None, activation: Rule
) -> Activation:
    """All heads of one attention. mix: the product of probabilities and values; division: by their sum."""
    g = c.g
    if x.quant.output[0] in c.done:
        raise unsupported(x.quant, "is read twice, expected by one projection")
    scores, unit = _scores(c, mix, division)
    found = c.in_format(scores, unit)
    dot = g.producer(found.source, "MatMul")
    heads, tokens, width = _heads(c, dot, str(dot.input[0]))
    if found.moved or g.shape(scores)[-2:] != (tokens, tokens):
        raise unsupported(dot, "its products are moved, expected queries and keys in order")
    score_factor = _of_heads(dot, found.factor.reshape(heads, -1))
    q = _operand(c, dot, 0, "q", (heads, tokens, width), activation)
    k = _operand(c, dot, 1, "k", (heads, tokens, width), activation)
    v = _operand(c, mix, 1, "v", (heads, tokens, width), activation)
    # Quotients beyond int8 saturate anyway: stage 1 must hold P v up to RESULT_LIMIT * row sum.
    peak = math.log2(tokens * 255 * RESULT_LIMIT)
    shift2 = max(0, math.floor(STAGE1_BITS - 1 - peak))
    # The result (heads, tokens, width) as the value of the integer graph, [tokens, heads * width].
    place = np.arange(heads * tokens * width).reshape(tokens, heads, width).transpose(1, 0, 2).ravel()
    of = place[x.inner.index]
    value_factor = np.zeros(tokens * heads * width)
    value_factor[of.ravel()] = x.inner.factor.ravel()
    value_factors = c.by_channel(mix, value_factor.reshape(tokens, heads * width))

    def build(name: str) -> Attention:
        score = requant(score_factor * (q.factor * q.scale) * (k.factor * k.scale) / unit)
        value = requant(value_factors * (v.factor * v.scale) / x.scale * 2.0**shift2)
        return Attention(name, (q.name, k.name, v.name), heads, score, value, shift2)

    return c.activation(x, c.in_block("attn"), of, (tokens, heads * width), build)


def _heads(c: Context, node: NodeProto, tensor: str) -> tuple[int, int, int]:
    """Heads, tokens and channels of (..., tokens, channels)."""
    shape = c.g.shape(tensor)
    if len(shape) < 3:
        raise unsupported(node, f"operands of shape {shape}, expected (heads, tokens, channels)")
    return math.prod(shape[:-2]), shape[-2], shape[-1]


def _of_heads(node: NodeProto, factor: F64) -> F64:
    if not (factor == factor[:, :1]).all():
        raise unsupported(node, "is multiplied by factors that differ within a head, expected one per head")
    return factor[:, 0]


def _scores(c: Context, mix: NodeProto, division: NodeProto | None) -> tuple[str, float]:
    """The scores that the probabilities are made of, and one step of the accelerator's in their unit."""
    g, tensor = c.g, str(mix.input[0])
    node = g.find(tensor)
    if node is None or node.op_type != "Quant":
        raise unsupported(
            mix,
            f"reads {tensor!r} in float, expected probabilities: a quantizer is missing behind the softmax "
            "(Quant, unsigned, 8 bits or more, one scale; a QuantIdentity in Brevitas)",
        )
    if division is not None:
        return _powers_of_two(c, mix, division), SCORE_SCALE
    grid = g.quant_grid(node)
    if grid.signed or grid.bits not in PROBABILITY_BITS or grid.scale.size != 1:
        raise unsupported(node, f"{grid}, expected uint8 to uint16 with one")
    softmax = g.producer(str(node.input[0]), "Softmax")
    scores = str(softmax.input[0])
    if g.said(softmax)["axis"] not in (-1, len(g.shape(scores)) - 1):
        raise unsupported(softmax, f"axis = {g.said(softmax)['axis']}, expected the last, the keys")
    c.roundings.passed.add(tensor)
    c.roundings.softmaxes.add(str(softmax.output[0]))
    return scores, SCORE_SCALE * math.log(2)  # octaves, of natural exponents


def _powers_of_two(c: Context, mix: NodeProto, division: NodeProto) -> str:
    """The scores s of Quant8u(2 ^ (s - max s)), which the division sums."""
    g = c.g
    row_sum = g.producer(division.input[1], "ReduceSum")
    if row_sum.input[0] != mix.input[0]:
        raise unsupported(row_sum, f"must sum the probabilities that {mix.name!r} reads")
    power = g.producer(g.on_fixed_grid(str(mix.input[0]), 8, PROBABILITY_SCALE, signed=False), "Pow")
    if g.scalar(power.input[0]) != 2:
        raise unsupported(power, f"base {g.scalar(power.input[0])}, expected 2")
    difference = g.producer(power.input[1], "Sub")
    scores = str(difference.input[0])
    if g.through(difference.input[1], "ReduceMax") != scores:
        raise unsupported(difference, "must subtract the row maximum of the same scores")
    return scores


def _operand(
    c: Context, reader: NodeProto, place: int, which: str, shape: tuple[int, int, int], activation: Rule
) -> _Operand:
    """Q, K or V: outputs of a linear layer, of its own or of a joint one, as a layer of their own."""
    tensor = str(reader.input[place])
    x = c.int8(tensor, reader)
    heads, tokens, width = shape
    # As [tokens, heads, width]; K stands transposed.
    found = c.g.shape(tensor)
    turned = which == "k"
    expected = (width, tokens) if turned else (tokens, width)
    if found[-2:] != expected or math.prod(found) != math.prod(shape):
        raise unsupported(reader, f"{which} of shape {found}, expected {heads} heads of {expected}")

    factor = c.one_factor(x.quant, x.outer.factor)
    by_head = x.outer.index.reshape(heads, *expected)
    in_quant = by_head.transpose((2, 0, 1) if turned else (1, 0, 2)).reshape(tokens, -1)
    index = x.inner.index.ravel()[in_quant]
    factors = c.by_channel(x.quant, x.inner.factor.ravel()[in_quant])
    joint = c.linear(x.inner.source)
    rows = _outputs(joint, index)
    layer = joint.rows(rows, factors)
    source = activation(c, joint.x, joint.node)
    layer = c.on_all_tokens(layer, source)
    dense = c.affine(joint.node, layer.weight, layer.bias, source, x.scale)
    name = c.in_block(f"attn.qkv.{which}")
    node = Linear(name, (source.name,), dense)
    c.add(str(x.quant.output[0]), node, in_quant.ravel(), x.scale)
    return _Operand(name, x.scale, factor)


def _outputs(joint: FloatLinear, index: I64) -> I64:
    """The outputs of the layer that are the channels, given which of its results [tokens, channels] are."""
    outputs = len(joint.bias)
    rows: I64 = index[0] % outputs
    if not np.array_equal(index, np.arange(len(index))[:, None] * outputs + rows):
        raise unsupported(joint.node, "its outputs are moved between tokens, expected heads of channels")
    return rows
