# SPDX-License-Identifier: Apache-2.0
"""The attention rule of the QONNX grammar (see `qonnx`).

attention := Quant8(MatMul(p, v) / ReduceSum(p) * factor)
p         := Quant8u(2 ^ (s - ReduceMax(s)))        s := Quant16(MatMul(q, Transpose(k)) * factor)
q, k, v   := Quant8(Gather(Transpose(Reshape(linear(activation))), 0 | 1 | 2))
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from onnx import NodeProto

from peritus.frontends.errors import unsupported
from peritus.frontends.lowering import Activation, Context
from peritus.frontends.onnx_graph import F64
from peritus.ir.formats import PROBABILITY_SCALE, SCORE_SCALE
from peritus.ir.ops import Attention, Linear
from peritus.ir.requant import requant

STAGE1_BITS, RESULT_LIMIT = 24, 128

Rule = Callable[[str], Activation]


def attention(c: Context, tensor: str, activation: Rule) -> Activation:
    """All heads (1, heads, tokens, head_dim) of one attention, before they are merged."""
    g = c.g
    _, source, scale = g.on_grid(tensor, 8)
    quotient = g.producer(source, "Mul")
    ratio, value_factor = g.split_constant(quotient)
    division = g.producer(ratio, "Div")
    mix, row_sum = g.producer(division.input[0], "MatMul"), g.producer(division.input[1], "ReduceSum")
    if row_sum.input[0] != mix.input[0]:
        raise unsupported(row_sum, f"must sum the probabilities that {mix.name!r} reads")
    scores = _softmax_input(c, mix.input[0])
    product_node = g.producer(g.on_fixed_grid(scores, 16, SCORE_SCALE), "Mul")
    product, score_factor = g.split_constant(product_node)
    dot = g.producer(product, "MatMul")
    keys = g.through(dot.input[1], "Transpose", perm=[0, 1, 3, 2])
    q, k, v = (split_head(c, t, i, activation) for i, t in enumerate((dot.input[0], keys, mix.input[1])))

    _, heads, tokens, head_dim = g.shape(dot.input[0])
    score_factors = _factors(product_node, score_factor, (heads, 1, 1))
    # Quotients beyond int8 saturate anyway: stage 1 must hold P v up to RESULT_LIMIT * row sum.
    peak = math.log2(tokens * 255 * RESULT_LIMIT)
    shift2 = max(0, math.floor(STAGE1_BITS - 1 - peak))
    value_factors = _factors(quotient, value_factor, (heads, 1, head_dim))

    def build(name: str) -> Attention:
        score = requant(score_factors * q.scale * k.scale / SCORE_SCALE)
        value = requant(value_factors * v.scale / scale * 2.0**shift2)
        return Attention(name, (q.name, k.name, v.name), heads, score, value, shift2)

    return c.activation(tensor, c.in_block("attn"), scale, build)


def _factors(node: NodeProto, factor: F64, shape: tuple[int, ...]) -> F64:
    """A constant factor of every head (and channel), as one vector."""
    try:
        return np.broadcast_to(
            factor.reshape((1,) * (len(shape) - factor.ndim) + factor.shape[-3:]), shape
        ).ravel()
    except ValueError:
        raise unsupported(node, f"factors of shape {factor.shape}, expected {shape}") from None


def _softmax_input(c: Context, probabilities: str) -> str:
    """The scores s of Quant8u(2 ^ (s - max s))."""
    g = c.g
    power = g.producer(g.on_fixed_grid(probabilities, 8, PROBABILITY_SCALE, signed=False), "Pow")
    if g.scalar(power.input[0]) != 2:
        raise unsupported(power, f"base {g.scalar(power.input[0])}, expected 2")
    difference = g.producer(power.input[1], "Sub")
    scores = str(difference.input[0])
    if g.through(difference.input[1], "ReduceMax") != scores:
        raise unsupported(difference, "must subtract the row maximum of the same scores")
    return scores


def split_head(c: Context, tensor: str, index: int, activation: Rule) -> Activation:
    """Q, K or V (index 0, 1, 2): a third of the rows of the joint linear layer, as a layer of its own."""
    g = c.g
    _, source, scale = g.on_grid(tensor, 8)
    part = g.producer(source, "Gather")
    g.require(part, axis=0)
    if g.scalar(part.input[1]) != index:
        raise unsupported(part, f"selects part {g.scalar(part.input[1]):g}, expected {index} of q, k, v")
    parts = g.through(part.input[0], "Transpose", perm=[2, 0, 3, 1, 4])
    _, tokens, _, heads, width = g.shape(parts)
    joint = c.linear(g.reshaped(parts, "q, k and v", (1, tokens, 3, heads, width)))
    x = activation(joint.x)
    size = len(joint.bias) // 3
    rows = slice(index * size, (index + 1) * size)
    dense = c.affine(joint.node, joint.weight[rows], joint.bias[rows], x.scale, scale)
    name = c.in_block(f"attn.qkv.{'qkv'[index]}")
    return c.activation(tensor, name, scale, lambda name: Linear(name, (x.name,), dense))
