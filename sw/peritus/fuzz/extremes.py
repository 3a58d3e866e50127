# SPDX-License-Identifier: Apache-2.0
"""Numbers at the ends of their ranges, in an integer graph that stays legal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

import numpy as np

from peritus.arch.config import ACC_BITS
from peritus.ir.graph import Graph
from peritus.ir.ops import (
    Affine,
    Attention,
    Expert,
    Experts,
    Head,
    LayerNorm,
    Linear,
    Node,
    PatchEmbed,
    Requant,
    Router,
)
from peritus.ir.types import GraphError
from peritus.reference import ACTIVATIONS, HIDDEN_ZERO_POINT
from peritus.reference.linear import ACTIVATION_PEAK
from peritus.reference.requantize import MAX_SHIFT, MIN_SHIFT

Rng = np.random.Generator
Kind = TypeVar("Kind", bound=Node)
TOP16 = (1 << 16) - 1
TOP4 = 7


def apply(graph: Graph, names: tuple[str, ...], seed: int) -> Graph:
    """The graph with some of EXTREMES, each at a place of its own; a change that is not legal there is
    left."""
    for index, name in enumerate(names):
        rng = np.random.default_rng([seed, index, 3])
        nodes = list(graph.nodes)
        place = int(rng.integers(len(nodes)))
        for position in (*range(place, len(nodes)), *range(place)):
            changed = EXTREMES[name](nodes[position], rng)
            if changed is not None:
                nodes[position] = changed
                try:
                    graph = replace(graph, nodes=tuple(nodes))
                except GraphError:
                    nodes = list(graph.nodes)
                    continue
                break
    return graph


def _affine(node: Node, rng: Rng, change: Callable[[Affine], Affine]) -> Node | None:
    """The node with one of its matrices changed."""
    match node:
        case PatchEmbed() | Linear() | Head():
            return replace(node, affine=change(node.affine))
        case Router():
            gates = list(node.gates)
            index = int(rng.integers(len(gates)))
            gates[index] = change(gates[index])
            return replace(node, gates=tuple(gates))
        case Experts():
            experts = list(node.experts)
            index, part = int(rng.integers(len(experts))), str(rng.choice(["hidden", "output"]))
            expert: Expert = experts[index]
            experts[index] = replace(expert, **{part: change(getattr(expert, part))})  # type: ignore[arg-type]
            return replace(node, experts=tuple(experts))
    return None


def _some(rng: Rng, channels: int) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """All channels, or some."""
    chosen: np.ndarray[tuple[int], np.dtype[np.bool_]] = rng.random(channels) < rng.choice([0.2, 1.0])
    return chosen


def weights_largest(node: Node, rng: Rng) -> Node | None:
    def change(a: Affine) -> Affine:
        limit = (1 << (a.weight_bits - 1)) - 1
        signs = rng.choice([-1, 1], a.weight.shape) if rng.random() < 0.5 else rng.choice([-1, 1])
        weight = np.broadcast_to(signs * limit, a.weight.shape).astype(np.int8)
        return replace(a, weight=weight, bias=np.zeros_like(a.bias))

    return _affine(node, rng, change)


def dead_outputs(node: Node, rng: Rng) -> Node | None:
    def change(a: Affine) -> Affine:
        dead = _some(rng, len(a.bias))
        weight = np.where(dead[:, None], 0, a.weight).astype(np.int8)
        return replace(a, weight=weight, bias=np.where(dead, 0, a.bias).astype(np.int32))

    return _affine(node, rng, change)


def dead_inputs(node: Node, rng: Rng) -> Node | None:
    return _affine(
        node,
        rng,
        lambda a: replace(a, weight=np.where(_some(rng, a.weight.shape[1]), 0, a.weight).astype(np.int8)),
    )


def four_bits(node: Node, rng: Rng) -> Node | None:
    """Any matrix, not an expert's only."""
    return _affine(
        node, rng, lambda a: replace(a, weight=a.weight.clip(-TOP4, TOP4).astype(np.int8), weight_bits=4)
    )


def bias_extreme(node: Node, rng: Rng) -> Node | None:
    """Sums that just stay in the accumulator."""

    def change(a: Affine) -> Affine:
        room = (1 << (ACC_BITS - 1)) - 1 - ACTIVATION_PEAK * np.abs(a.weight.astype(np.int64)).sum(axis=1)
        bias = np.where(_some(rng, len(a.bias)), room * rng.choice([-1, 1], len(a.bias)), a.bias)
        return replace(a, bias=bias.astype(np.int32))

    return _affine(node, rng, change)


def _requant(rng: Rng, old: Requant) -> Requant:
    multiplier, shift = (
        (TOP16, MIN_SHIFT), (TOP16, MAX_SHIFT), (0, MIN_SHIFT), (1 << 15, MAX_SHIFT), (1 << 15, MIN_SHIFT)
    )[int(rng.integers(5))]  # fmt: skip
    chosen = _some(rng, len(old.shift))
    return Requant(
        np.where(chosen, multiplier, old.multiplier).astype(np.uint16),
        np.where(chosen, shift, old.shift).astype(np.uint8),
    )


def requant_extreme(node: Node, rng: Rng) -> Node | None:
    return _affine(node, rng, lambda a: replace(a, requant=_requant(rng, a.requant)))


def rescale_extreme(node: Node, rng: Rng) -> Node | None:
    if isinstance(node, Linear) and node.rescale is not None:
        return replace(node, rescale=_requant(rng, node.rescale))
    if isinstance(node, Experts):
        experts = list(node.experts)
        index = int(rng.integers(len(experts)))
        if (rescale := experts[index].rescale) is not None:
            experts[index] = replace(experts[index], rescale=_requant(rng, rescale))
            return replace(node, experts=tuple(experts))
    return None


def function(node: Node, rng: Rng) -> Node | None:
    """Any function, behind any matrix, with a second stage or without, with a zero point or without."""
    if not isinstance(node, Linear):
        return None
    channels = len(node.affine.bias)
    rescale = Requant(np.full(channels, 1 << 15, np.uint16), np.full(channels, 16, np.uint8))
    return replace(
        node,
        function=str(rng.choice(sorted(ACTIVATIONS))),
        rescale=rescale if rng.random() < 0.6 else None,
        zero_point=int(rng.choice([0, HIDDEN_ZERO_POINT])) if node.bits == 8 else 0,
    )


def expert_function(node: Node, rng: Rng) -> Node | None:
    """The same, between the layers of experts, some of which have no second stage."""
    if not isinstance(node, Experts):
        return None
    bare = _some(rng, len(node.experts)) if rng.random() < 0.5 else np.zeros(len(node.experts), np.bool_)
    experts = tuple(replace(e, rescale=None) if b else e for e, b in zip(node.experts, bare, strict=True))
    name, zero_point = str(rng.choice(sorted(ACTIVATIONS))), int(rng.choice([0, HIDDEN_ZERO_POINT]))
    return replace(node, function=name, experts=experts, zero_point=zero_point)


def attention(node: Node, rng: Rng) -> Node | None:
    if not isinstance(node, Attention):
        return None
    return replace(
        node,
        score=_requant(rng, node.score),
        value=_requant(rng, node.value) if rng.random() < 0.5 else node.value,
        shift2=int(rng.choice([0, node.shift2, 24])),
    )


def norm(node: Node, rng: Rng) -> Node | None:
    if not isinstance(node, LayerNorm):
        return None
    chosen = _some(rng, len(node.gamma))
    return replace(
        node,
        gamma=np.where(chosen, rng.choice([-(1 << 15), (1 << 15) - 1, 0]), node.gamma).astype(np.int16),
        beta=np.where(chosen, rng.choice([-(1 << 31), (1 << 31) - 1, 0]), node.beta).astype(np.int32),
        shift=np.where(chosen, rng.choice([MIN_SHIFT, MAX_SHIFT]), node.shift).astype(np.uint8),
        epsilon=int(rng.choice([0, 1, node.epsilon, (1 << 32) - 1])),
    )


def shared_gate(node: Node, rng: Rng) -> Node | None:
    return replace(node, gates=(node.gates[0],) * len(node.gates)) if isinstance(node, Router) else None


def score_shift(node: Node, rng: Rng) -> Node | None:
    return replace(node, score_shift=int(rng.choice([15, 40]))) if isinstance(node, Experts) else None


def positions(node: Node, rng: Rng) -> Node | None:
    if not isinstance(node, PatchEmbed):
        return None
    chosen = rng.random(node.position.shape) < 0.3
    extreme = rng.choice([-(1 << 15), (1 << 15) - 1], node.position.shape)
    return replace(node, position=np.where(chosen, extreme, node.position).astype(np.int16))


EXTREMES: dict[str, Callable[[Node, Rng], Node | None]] = {
    change.__name__: change
    for change in (
        *(
            weights_largest,
            dead_outputs,
            dead_inputs,
            four_bits,
            bias_extreme,
            requant_extreme,
            rescale_extreme,
        ),
        *(function, expert_function, attention, norm, shared_gate, score_shift, positions),
    )
}
