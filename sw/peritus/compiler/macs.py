# SPDX-License-Identifier: Apache-2.0
"""Useful multiply-accumulates of a job: what utilization is measured against. Padding does not count."""

from __future__ import annotations

from peritus.ir.graph import Graph
from peritus.ir.ops import Add, Attention, Experts, Head, LayerNorm, Linear, PatchEmbed, Router


def job_macs(graph: Graph, task: str) -> int:
    """int8 multiply-accumulates that one image needs for `task`."""
    types = graph.types
    needed = graph.needed(task, features=False)
    total = 0
    for node in graph.nodes:
        if node.name not in needed:
            continue
        tokens = types[node.inputs[0]].shape[0]
        match node:
            case PatchEmbed():
                total += (len(node.position) - 1) * node.affine.weight.size
            case Linear():
                total += tokens * node.affine.weight.size
            case Attention():
                total += 2 * tokens**2 * types[node.name].shape[1]
            case Router():
                total += tokens * node.gates[graph.task_index(task)].weight.size
            case Experts():
                chosen = types[node.inputs[1]].shape[1]
                expert = node.experts[0]
                total += tokens * chosen * (expert.hidden.weight.size + expert.output.weight.size)
            case Head():
                total += node.rows * node.columns * node.affine.weight.size
            case LayerNorm() | Add():
                pass  # nothing that the array multiplies
    return total
