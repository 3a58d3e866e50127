# SPDX-License-Identifier: Apache-2.0
"""Execution order of the nodes."""

from __future__ import annotations

from peritus.ir.graph import Graph
from peritus.ir.ops import Attention, Linear, Node


def execution_order(graph: Graph) -> list[Node]:
    """The graph's order, but queries are computed last before attention.

    The tile loader then finds keys and values already written when it starts to load them, while the array
    still works on the queries.
    """
    nodes = {node.name: node for node in graph.nodes}
    delayed: dict[str, Node] = {}  # attention -> its query projection
    for node in graph.nodes:
        if isinstance(node, Attention):
            query = nodes[node.inputs[0]]
            readers = [n for n in graph.nodes if query.name in n.inputs]
            if isinstance(query, Linear) and readers == [node]:
                delayed[node.name] = query
    order: list[Node] = []
    for node in graph.nodes:
        if node.name in delayed:
            order.append(delayed[node.name])
        if node not in delayed.values():
            order.append(node)
    return order
