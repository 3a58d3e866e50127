# SPDX-License-Identifier: Apache-2.0
"""The integer graph as a graph of streaming nodes: one function per operation.

Matrices are FINN's own MVAU, with our requantization behind; what FINN has not, or only as float, is ours.
The arithmetic is that of peritus.ir.ops, so the dataflow graph equals `peritus.ir.execute` in every value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt
from qonnx.core.modelwrapper import ModelWrapper

from peritus.finn.errors import UnmappedNodeError
from peritus.finn.frontend.dataflow import Dataflow, divisor
from peritus.ir import Graph
from peritus.ir.ops import (
    Add,
    Affine,
    Attention,
    Experts,
    Head,
    LayerNorm,
    Linear,
    Node,
    PatchEmbed,
    Requant,
    Router,
)
from peritus.reference.arithmetic import Ints
from peritus.reference.linear import ACTIVATION_PEAK

PATCHES = "patches"  # the graph's input
LANES = 4  # values per cycle to begin with; a folding configuration says otherwise
EXACT = 1 << 24  # FINN's tensors are float32
ACCUMULATOR = "INT25"


class Lowering:
    """A graph on its way. `stream` has the tensor of each value."""

    def __init__(self, graph: Graph, task: int) -> None:
        self.graph, self.task = graph, task
        self.flow = Dataflow()
        self.stream: dict[str, str] = {}

    def rows(self, node: Node) -> int:
        """Tokens of a node's first input."""
        return int(self.graph.types[node.inputs[0]].shape[0])

    def affine(self, name: str, x: str, rows: int, affine: Affine, kind: str, lanes: int = LANES) -> str:
        """x W^T + b, requantized to `kind`; the tensor's name."""
        outputs, inputs = affine.weight.shape
        peak = ACTIVATION_PEAK * int(np.abs(affine.weight.astype(np.int64)).sum(axis=1).max())
        if peak >= EXACT:
            raise UnmappedNodeError(
                name, f"its sums reach {peak}, and FINN's tensors are float32, exact below {EXACT}"
            )
        weights = self.flow.weight(
            f"{name}.weight", affine.weight.T, "INT4" if affine.weight_bits == 4 else "INT8"
        )
        pe = divisor(outputs, lanes)
        sums = self.flow.theirs(
            "MVAU",
            f"{name}.mvau",
            [x, weights],
            self.flow.tensor(f"{name}.sums", (1, rows, outputs), ACCUMULATOR),
            MW=inputs,
            MH=outputs,
            SIMD=divisor(inputs, LANES),
            PE=pe,
            inputDataType="INT8",
            weightDataType="INT4" if affine.weight_bits == 4 else "INT8",
            outputDataType=ACCUMULATOR,
            noActivation=1,
            numInputVectors=[1, rows],
        )
        return self.requant(f"{name}.stage1", sums, affine.requant, kind, bias=affine.bias, lanes=pe)

    def requant(
        self,
        name: str,
        x: str,
        scale: Requant | None,
        kind: str,
        *,
        bias: Ints | None = None,
        index: str | None = None,
        sets: int = 1,
        lanes: int = LANES,
        zero_point: int = 0,
    ) -> str:
        """A requantization; scale None: 1.0."""
        (*rows, channels), source = self.flow.tensors[x]
        count = sets * channels
        scale = _one(count) if scale is None else scale
        return self.flow.own(
            "PeritusRequant",
            name,
            [x] if index is None else [x, index],
            [f"{name}.out"],
            numInputVectors=rows,
            NumChannels=channels,
            PE=divisor(channels, lanes),
            inputDataType=source,
            outputDataType=kind,
            bias=_ints(np.zeros(count, np.int64) if bias is None else bias),
            multiplier=_ints(scale.multiplier),
            shift=_ints(scale.shift),
            sets=sets,
            zero_point=zero_point,
        )[0]

    def function(self, name: str, x: str, function: str) -> str:
        """GELU or ReLU of INT24."""
        (*rows, channels), _ = self.flow.tensors[x]
        if function == "none":
            return x
        if function not in ("gelu", "relu"):
            raise UnmappedNodeError(name, f"the function {function!r} has no streaming node")
        return self.flow.own(
            "PeritusGelu",
            name,
            [x],
            [f"{name}.out"],
            numInputVectors=rows,
            NumChannels=channels,
            PE=divisor(channels, LANES),
            func=function,
        )[0]


def _ints(values: npt.ArrayLike) -> list[int]:
    return [int(v) for v in np.asarray(values).reshape(-1)]


def _one(channels: int) -> Requant:
    """1.0 for each channel."""
    return Requant(np.full(channels, 1 << 15, np.uint16), np.full(channels, 15, np.uint8))


def patch_embed(c: Lowering, node: PatchEmbed) -> str:
    tokens, channels = node.position.shape
    patches = (c.graph.image_height // node.patch) * (c.graph.image_width // node.patch)
    source = c.flow.tensor(PATCHES, (1, patches, node.affine.weight.shape[1]), "INT8")
    c.flow.inputs.append(source)
    x = c.affine(node.name, source, patches, node.affine, "INT16")
    return c.flow.own(
        "PeritusEmbed",
        f"{node.name}.embed",
        [x],
        [node.name],
        NumTokens=tokens,
        NumChannels=channels,
        prefix=tokens - patches,
        PE=divisor(channels, LANES),
        position=_ints(node.position),
    )[0]


def layernorm(c: Lowering, node: LayerNorm) -> str:
    channels = len(node.gamma)
    return c.flow.own(
        "PeritusLayerNorm",
        f"{node.name}.norm",
        [c.stream[node.inputs[0]]],
        [node.name],
        numInputVectors=[1, c.rows(node)],
        NumChannels=channels,
        SIMD=divisor(channels, LANES, least=2),
        gamma=_ints(node.gamma),
        beta=_ints(node.beta),
        shift=_ints(node.shift),
        epsilon=int(node.epsilon),
    )[0]


def linear(c: Lowering, node: Linear) -> str:
    x, kind = c.stream[node.inputs[0]], f"INT{node.bits}"
    if node.function == "none" and node.rescale is None and not node.zero_point:
        return c.affine(node.name, x, c.rows(node), node.affine, kind)
    y = c.affine(node.name, x, c.rows(node), node.affine, "INT24")
    return c.requant(
        f"{node.name}.stage2",
        c.function(f"{node.name}.{node.function}", y, node.function),
        node.rescale,
        kind,
        zero_point=node.zero_point,
    )


def attention(c: Lowering, node: Attention) -> str:
    q, k, v = (c.stream[name] for name in node.inputs)
    tokens, heads = c.rows(node), node.heads
    width = len(node.value.multiplier) // heads
    shape = {"NumTokens": tokens, "heads": heads, "head_dim": width}
    (scores,) = c.flow.own(
        "PeritusScores",
        f"{node.name}.scores",
        [q, k],
        [f"{node.name}.s"],
        **shape,
        multiplier=_ints(node.score.multiplier),
        shift=_ints(node.score.shift),
    )
    p, factor = c.flow.own(
        "PeritusSoftmax",
        f"{node.name}.softmax",
        [scores],
        [f"{node.name}.p", f"{node.name}.factor"],
        numInputVectors=[1, tokens, heads],
        NumChannels=tokens,
        SIMD=divisor(tokens, LANES, least=2),
    )
    return c.flow.own(
        "PeritusValues",
        f"{node.name}.values",
        [p, factor, v],
        [node.name],
        **shape,
        PE=divisor(width, LANES),
        multiplier=_ints(node.value.multiplier),
        shift=_ints(node.value.shift),
        shift2=int(node.shift2),
    )[0]


def add(c: Lowering, node: Add) -> str:
    inputs = [c.stream[name] for name in node.inputs]
    (*rows, channels), _ = c.flow.tensors[inputs[0]]
    return c.flow.own(
        "PeritusAdd",
        f"{node.name}.sum",
        inputs,
        [node.name],
        numInputVectors=rows,
        NumChannels=channels,
        PE=divisor(channels, LANES),
    )[0]


def router(c: Lowering, node: Router) -> str:
    gate = node.gates[c.task]
    experts = len(gate.weight)
    logits = c.affine(f"{node.name}.gate", c.stream[node.inputs[0]], c.rows(node), gate, "INT16", experts)
    return c.flow.own(
        "PeritusRouter",
        f"{node.name}.router",
        [logits],
        [node.name],
        numInputVectors=[1, c.rows(node)],
        NumChannels=experts,
        topk=node.top_k,
    )[0]


def experts(c: Lowering, node: Experts) -> str:
    x, routing, residual = (c.stream[name] for name in node.inputs)
    tokens, count = c.rows(node), len(node.experts)
    top_k = c.flow.tensors[routing][0][-1] // 2
    channels = node.experts[0].hidden.weight.shape[1]
    rows, index, source = c.flow.own(
        "MoEDispatch",
        f"{node.name}.dispatch",
        [x, routing],
        [f"{node.name}.rows", f"{node.name}.expert", f"{node.name}.source"],
        NumTokens=tokens,
        NumChannels=channels,
        experts=count,
        topk=top_k,
        SIMD=divisor(channels, LANES),
    )

    def layer(name: str, x: str, affines: list[Affine]) -> str:
        outputs, inputs = affines[0].weight.shape
        lanes = divisor(outputs, LANES)
        (sums,) = c.flow.own(
            "MoEMVAU",
            f"{name}.mvau",
            [x, index],
            [f"{name}.sums"],
            numInputVectors=[1, tokens * top_k],
            MW=inputs,
            MH=outputs,
            SIMD=divisor(inputs, LANES, least=2),
            PE=lanes,
            experts=count,
            weights=_ints(np.stack([affine.weight.T for affine in affines])),
        )
        return c.requant(
            f"{name}.stage1",
            sums,
            _stacked([affine.requant for affine in affines]),
            "INT24",
            bias=np.concatenate([affine.bias for affine in affines]),
            index=index,
            sets=count,
            lanes=lanes,
        )

    hidden = layer(f"{node.name}.hidden", rows, [expert.hidden for expert in node.experts])
    hidden = c.requant(
        f"{node.name}.stage2",
        c.function(f"{node.name}.{node.function}", hidden, node.function),
        _stacked([expert.rescale or _one(len(expert.hidden.bias)) for expert in node.experts]),
        "INT8",
        index=index,
        sets=count,
        zero_point=node.zero_point,
    )
    out = layer(f"{node.name}.output", hidden, [expert.output for expert in node.experts])
    return c.flow.own(
        "MoECombine",
        f"{node.name}.combine",
        [out, source, residual],
        [node.name],
        NumTokens=tokens,
        NumChannels=channels,
        topk=top_k,
        score_shift=int(node.score_shift),
        PE=divisor(channels, LANES),
    )[0]


def _stacked(scales: list[Requant]) -> Requant:
    return Requant(
        np.concatenate([scale.multiplier for scale in scales]), np.concatenate([s.shift for s in scales])
    )


def head(c: Lowering, node: Head) -> str:
    """Logits of all tokens; the host takes those of patches and shuffles pixels (`peritus.finn.host`)."""
    return c.affine(node.name, c.stream[node.inputs[0]], c.rows(node), node.affine, "INT16")


RULES: Mapping[type[Node], Callable[..., str]] = {
    PatchEmbed: patch_embed,
    LayerNorm: layernorm,
    Linear: linear,
    Attention: attention,
    Add: add,
    Router: router,
    Experts: experts,
    Head: head,
}


def to_dataflow(graph: Graph, task: str | None) -> ModelWrapper:
    """The nodes that `task` needs, as streaming nodes; None: up to the features.

    The input is `patches`, INT8 [1, patches, C patch^2]; the output the logits of every token, INT16
    [1, tokens, channels], or the residual stream.

    Raises:
        UnmappedNodeError: a node has no streaming counterpart; names it and the reason.
        UnknownTaskError: no such task.
    """
    index = 0 if task is None else graph.task_index(task)
    on_host = task is None or graph.tasks[index].host is not None
    c = Lowering(graph, index)
    needed = graph.needed(task, features=False)
    last = graph.features
    for node in graph.nodes:
        if node.name not in needed and not (on_host and node.name in graph.needed(None, features=True)):
            continue
        rule = RULES.get(type(node))
        if rule is None:
            raise UnmappedNodeError(node.name, f"{type(node).__name__} has no streaming node")
        c.stream[node.name] = rule(c, node)
        last = graph.features if on_host else node.name
    c.flow.outputs.append(c.stream[last])
    return c.flow.model("peritus_dataflow")
