# SPDX-License-Identifier: Apache-2.0
"""The mixture-of-experts rule of the QONNX grammar (see `qonnx`; the operator itself is in `moe_format`).

moe    := MoE(activation, router, experts' constants)
router := Quant16(MatMul(activation, gate))             one gate per task, chosen by the task input
            | Quant16(MatMul(activation, gate) + bias)      one gate, its bias chosen by the task input
"""

from __future__ import annotations

import numpy as np
from onnx import NodeProto

from peritus.frontends.activations import FUNCTIONS
from peritus.frontends.lowering import Activation, Context, affine, path
from peritus.frontends.moe_format import DEFAULT_ACTIVATION
from peritus.frontends.onnx_graph import F64, QuantConstant, unsupported
from peritus.ir.formats import GELU_SCALE, LOGIT_SCALE
from peritus.ir.ops import Affine, Expert, Experts, Router
from peritus.ir.requant import requant

EXTRA_BITS = 6  # experts' outputs carry this many bits below the residual LSB until the score is applied
SCORE_ONE_BITS = 15  # scores are Q1.15


def moe(c: Context, tensor: str, node: NodeProto, stream: str, x: Activation) -> str:
    """Router and experts; `tensor` is the residual stream after they are added."""
    g = c.g
    attributes = g.attributes(node)
    if attributes["residual_scale"] != c.residual_scale:
        raise unsupported(node, f"residual_scale {attributes['residual_scale']}, expected {c.residual_scale}")
    _, logits, w1, b1, factor, w2, b2 = node.input
    routing = c.once(logits, lambda: router(c, logits, node, x, int(attributes["top_k"])))
    first, second = g.quant_constant(w1), g.quant_constant(w2)
    bias1, factors, bias2 = g.floats(b1), g.floats(factor), g.floats(b2)
    experts = tuple(
        Expert(
            affine(first[e], bias1[e], x.scale, GELU_SCALE),
            requant(factors[e] * GELU_SCALE),
            affine(second[e], bias2[e], 1.0, c.residual_scale / 2**EXTRA_BITS),
        )
        for e in range(len(bias1))
    )
    inputs, shift = (x.name, routing, stream), SCORE_ONE_BITS + EXTRA_BITS
    function = str(attributes.get("activation", DEFAULT_ACTIVATION))
    if function not in FUNCTIONS:
        raise unsupported(node, f"activation = {function!r}, must be one of {', '.join(FUNCTIONS)}")
    return c.once(tensor, lambda: Experts(f"{path(node)}.experts", inputs, experts, shift, function))


def router(c: Context, logits: str, node: NodeProto, x: Activation, top_k: int) -> Router:
    """Gates in task order, logits in 1/256 octaves."""
    g = c.g
    source = g.on_fixed_grid(logits, 16, LOGIT_SCALE)
    biases: F64 | None = None
    if g.producer(source, "MatMul", "Add").op_type == "Add":
        source, chosen = g.producer(source, "Add").input
        biases = _chosen_bias(c, chosen)
    product = g.producer(source, "MatMul")
    if product.input[0] != node.input[0]:
        raise unsupported(product, f"the router must read what {node.name!r} reads")
    weights = _gate_weights(c, g.through(product.input[1], "Transpose", perm=[1, 0]))
    n_gates, n_experts, _ = weights.values.shape
    if not 1 <= top_k <= n_experts:
        raise unsupported(node, f"top_k = {top_k}, must be 1..{n_experts} (experts)")
    gates: tuple[Affine, ...]
    if biases is None:
        no_bias = np.zeros(n_experts)
        gates = tuple(affine(weights[t], no_bias, x.scale, LOGIT_SCALE) for t in range(n_gates))
    else:
        gates = tuple(affine(weights[0], bias, x.scale, LOGIT_SCALE) for bias in biases)
    return Router(f"{path(node)}.router", (x.name,), gates, top_k)


def _gate_weights(c: Context, tensor: str) -> QuantConstant:
    """(gates, experts, d) behind the selections by task or by index 0."""
    while c.g.producer(tensor, "Gather", "Reshape", "Quant").op_type == "Gather":
        tensor = c.g.through(tensor, "Gather", axis=0)
    weights = c.g.quant_constant(tensor)
    return weights if weights.values.ndim == 3 else weights.reshape(1, *weights.values.shape)


def _chosen_bias(c: Context, tensor: str) -> F64:
    """(tasks, experts) behind the selection by task."""
    while not c.g.is_constant(tensor):
        tensor = c.g.through(tensor, "Gather", axis=0)
    return c.g.floats(tensor)
