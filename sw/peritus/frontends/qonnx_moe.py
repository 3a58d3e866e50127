# SPDX-License-Identifier: Apache-2.0
"""The mixture-of-experts rule of the QONNX grammar (see `qonnx`; the operator itself is in `moe_format`).

moe    := MoE(activation, router, experts' constants)
router := Quant16(MatMul(activation, gate) + bias)

Gate, bias or both are chosen by the task input; the bias may be left out.
"""

from __future__ import annotations

import numpy as np
from onnx import NodeProto

from peritus.frontends.activations import FUNCTIONS
from peritus.frontends.errors import label, unsupported
from peritus.frontends.lowering import Activation, Context, Steps
from peritus.frontends.onnx_graph import F64, QuantConstant
from peritus.frontends.operators import attributes
from peritus.ir.formats import GELU_SCALE, LOGIT_SCALE
from peritus.ir.ops import Expert, Experts, Router
from peritus.ir.requant import requant

EXTRA_BITS = 6  # experts' outputs carry this many bits below the residual LSB until the score is applied
SCORE_ONE_BITS = 15  # scores are Q1.15


def moe(c: Context, tensor: str, node: NodeProto, stream: str, x: Activation) -> str:
    """Router and experts; `tensor` is the residual stream after they are added."""
    g = c.g
    said = attributes(node)
    if not np.array_equal(x.index.ravel(), np.arange(c.tokens * x.channels)):
        raise unsupported(node, f"reads {x.name!r} in another order, expected all tokens and channels")
    if said["residual_scale"] != c.residual_scale:
        raise unsupported(node, f"residual_scale {said['residual_scale']}, expected {c.residual_scale}")
    _, logits, w1, b1, factor, w2, b2 = node.input
    top_k = said["top_k"]
    routing = c.once(logits, c.in_block("mlp.router"), lambda name: router(c, name, node, x, top_k))
    first, second = g.quant_constant(w1), g.quant_constant(w2)
    bias1, factors, bias2 = g.floats(b1), g.floats(factor), g.floats(b2)
    inputs, shift = (x.name, routing, stream), SCORE_ONE_BITS + EXTRA_BITS
    function = said["activation"]
    if function not in FUNCTIONS:
        raise unsupported(node, f"activation = {function!r}, must be one of {', '.join(FUNCTIONS)}")

    hidden = Steps(1.0, said["zero_point"])

    def expert(e: int) -> Expert:
        return Expert(
            c.affine(node, first[e], bias1[e], x, GELU_SCALE),
            requant(factors[e] * GELU_SCALE),
            c.affine(node, second[e], bias2[e], hidden, c.residual_scale / 2**EXTRA_BITS),
        )

    def build(name: str) -> Experts:
        experts = tuple(expert(e) for e in range(len(bias1)))
        return Experts(name, inputs, experts, shift, function, hidden.zero_point)

    return c.once(tensor, c.in_block("mlp.experts"), build)


def router(c: Context, name: str, node: NodeProto, x: Activation, top_k: int) -> Router:
    """Gates in task order, logits in 1/256 octaves."""
    g = c.g
    source = g.on_fixed_grid(node.input[1], 16, LOGIT_SCALE)
    biases: F64 | None = None
    if g.producer(source, "MatMul", "Add").op_type == "Add":
        first, second = g.producer(source, "Add").input
        product = g.find(first)
        source, chosen = (
            (first, second) if product is not None and product.op_type == "MatMul" else (second, first)
        )
        biases = _by_task(c, chosen)[0]
    product = g.producer(source, "MatMul")
    if product.input[0] != node.input[0]:
        raise unsupported(product, f"the router must read what {label(node)!r} reads")
    weights = _gate_weights(c, product, g.through(product.input[1], "Transpose", perm=[1, 0]))
    n_gates, n_experts, _ = weights.values.shape
    if not 1 <= top_k <= n_experts:
        raise unsupported(node, f"top_k = {top_k}, must be 1..{n_experts} (experts)")
    if biases is None:
        biases = np.zeros((n_gates, n_experts))
    elif biases.ndim != 2 or biases.shape[1] != n_experts or n_gates not in (1, len(biases)):
        raise unsupported(
            product, f"biases of shape {biases.shape} for {n_gates} gate(s) of {n_experts} experts"
        )
    gates = tuple(
        c.affine(product, weights[t if n_gates > 1 else 0], bias, x, LOGIT_SCALE)
        for t, bias in enumerate(biases)
    )
    return Router(name, (x.name,), gates, top_k)


def _gate_weights(c: Context, product: NodeProto, tensor: str) -> QuantConstant:
    """(gates, experts, d) behind the selections by task or by index 0."""
    by_task, tensor = _selected(c, tensor)
    weights = c.g.quant_constant(tensor)
    if weights.values.ndim == 2:
        weights = weights.reshape(1, *weights.values.shape)
    if weights.values.ndim != 3:
        raise unsupported(product, f"gates of shape {weights.values.shape}, expected (gates, experts, d)")
    if not by_task and len(weights.values) > 1:
        raise unsupported(product, f"{len(weights.values)} gates, none chosen by the task input")
    return weights


def _by_task(c: Context, tensor: str) -> tuple[F64, str]:
    """(tasks, experts) behind the selection by task."""
    by_task, source = _selected(c, tensor)
    values = c.g.floats(source)
    return (values if by_task else values.reshape(1, -1)), source


def _selected(c: Context, tensor: str) -> tuple[bool, str]:
    """Behind the Gathers of a chosen gate: whether the task input chose, and from what.

    The task chooses a slice of one (or the element itself), an index 0 then takes it out.
    """
    g = c.g
    while (node := g.find(tensor)) is not None and node.op_type == "Gather":
        source = g.through(tensor, "Gather", axis=0)
        index = str(node.input[1])
        if not g.is_constant(index):
            _require_task(c, node, index)
            return True, source
        if g.scalar(index) != 0 or g.shape(source)[0] != 1:
            raise unsupported(
                node, f"selects {g.scalar(index):g} of {g.shape(source)[0]}, expected the only one"
            )
        tensor = source
    return False, tensor


def _require_task(c: Context, node: NodeProto, index: str) -> None:
    """The index is the graph's second input, as it is."""
    g = c.g
    while (found := g.find(index)) is not None and found.op_type in ("Reshape", "Squeeze", "Unsqueeze"):
        index = str(found.input[0])
    if index not in g.inputs[1:]:
        raise unsupported(node, f"selects by {index!r}, expected the task, an input of the graph")
