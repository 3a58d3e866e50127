# SPDX-License-Identifier: Apache-2.0
"""Useful multiply-accumulates of a job: what utilization is measured against. Padding does not count."""

from __future__ import annotations

from collections.abc import Container

from peritus.ir.graph import Graph
from peritus.ir.ops import Add, Attention, Experts, Head, LayerNorm, Linear, Node, PatchEmbed, Router


def job_macs(graph: Graph, task: str) -> int:
    """int8 multiply-accumulates that one image needs for `task`."""
    needed = graph.needed(task, features=False)
    return sum(_node_macs(graph, node, task) for node in graph.nodes if node.name in needed)


def together_macs(graph: Graph, shared: Container[str]) -> int:
    """What it needs for all tasks, if what the nodes in `shared` compute is computed once."""
    first = graph.tasks[0].name
    common = sum(_node_macs(graph, node, first) for node in graph.nodes if node.name in shared)
    return common + sum(job_macs(graph, task.name) - common for task in graph.tasks)


def _node_macs(graph: Graph, node: Node, task: str) -> int:
    types = graph.types
    tokens = types[node.inputs[0]].shape[0]
    match node:
        case PatchEmbed():
            height, width, _ = types[node.inputs[0]].shape
            return height * width // node.patch**2 * node.affine.weight.size
        case Linear():
            return tokens * node.affine.weight.size
        case Attention():
            return 2 * tokens**2 * types[node.name].shape[1]
        case Router():
            return tokens * node.gates[graph.task_index(task)].weight.size
        case Experts():
            chosen = types[node.inputs[1]].shape[1]
            expert = node.experts[0]
            return tokens * chosen * (expert.hidden.weight.size + expert.output.weight.size)
        case Head():
            return node.rows * node.columns * node.affine.weight.size
        case LayerNorm() | Add():
            return 0  # nothing that the array multiplies
    raise TypeError(f"node {node.name!r} is a {type(node).__name__}")
