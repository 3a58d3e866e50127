# SPDX-License-Identifier: Apache-2.0
"""Which experts are used how much, as `peritus sparsity --json` measures it: the order of their computation.

The prefetcher reads the first experts before the router has spoken. Those that are seldom used come last, so
that an idle one is still unread by then, and never read. The order changes no result: contributions add up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from peritus.compiler.errors import CompileError
from peritus.ir.graph import Graph
from peritus.ir.ops import Router
from peritus.schema import Name, Real, SchemaError, checked, read_json, read_text

ExpertUse = Mapping[str, Sequence[float]]  # by name of the router: of each expert, a larger number is more


@dataclass(frozen=True)
class _Measured:
    """layers: names of the routers. expert_use: by task, [layers, experts], shares of the tokens."""

    layers: tuple[Name, ...]
    expert_use: dict[Name, tuple[tuple[Real, ...], ...]]


def read_expert_use(path: Path) -> ExpertUse:
    """Of a JSON file of `peritus sparsity`: the sum over its tasks.

    Raises:
        CompileError: no such file, or it is none of these; names the field.
    """
    try:
        value = read_json(read_text(path))
        given = value if isinstance(value, dict) else {}
        found = checked(_Measured, {name: given.get(name) for name in ("layers", "expert_use")})
        return {
            layer: [
                sum(shares) for shares in zip(*(use[n] for use in found.expert_use.values()), strict=True)
            ]
            for n, layer in enumerate(found.layers)
        }
    except (SchemaError, IndexError, ValueError) as error:
        raise CompileError(f"{path} is no expert use of `peritus sparsity --json`: {error}") from error


def order_of_experts(graph: Graph, use: ExpertUse | None) -> dict[str, list[int]]:
    """Experts of each router in the order in which they are computed: as numbered where nothing is known.

    Raises:
        CompileError: use of a router that the graph lacks, or of another number of experts.
    """
    routers = {node.name: len(node.gates[0].bias) for node in graph.nodes if isinstance(node, Router)}
    order = {name: list(range(experts)) for name, experts in routers.items()}
    for name, shares in (use or {}).items():
        if len(shares) != routers.get(name):
            have = (
                f"it has {routers[name]}"
                if name in routers
                else f"routers are {', '.join(routers) or 'none'}"
            )
            raise CompileError(f"use of {len(shares)} experts of router {name!r}: {have}")
        order[name].sort(key=lambda expert: -shares[expert])
    return order
