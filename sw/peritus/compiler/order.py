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
    delayed: dict[str, Node] = {}  # attention -> its query projection
    for node in graph.nodes:
        if isinstance(node, Attention):
            query = graph.node[node.inputs[0]]
            if isinstance(query, Linear) and graph.readers[query.name] == (node,):
                delayed[node.name] = query
    moved = {query.name for query in delayed.values()}
    order: list[Node] = []
    for node in graph.nodes:
        if node.name in delayed:
            order.append(delayed[node.name])
        if node.name not in moved:
            order.append(node)
    return order
