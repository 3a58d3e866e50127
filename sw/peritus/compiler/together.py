# SPDX-License-Identifier: Apache-2.0
"""The job of all tasks of one image: what they have in common is computed once, every weight is read once.

Tasks part where a router first has a gate for each. Up to there the job's instructions are those of any task.
From there on it has a copy of the tokens for each task, one behind the other: rows [task T, (task + 1) T) of
every value. So a tile of weights meets the tokens of all tasks, and an expert's queue holds those of all.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass

import numpy as np

from peritus.arch.isa import Instruction, Opcode
from peritus.bundle.header import TOGETHER, map_offsets
from peritus.compiler.context import Context
from peritus.compiler.errors import CompileError
from peritus.compiler.order import execution_order
from peritus.compiler.task_entry import task_entry
from peritus.ir.graph import Graph
from peritus.ir.ops import Affine, Head, Node, Router


@dataclass(frozen=True)
class Parting:
    """shared: names of the nodes that the job computes once. copies: of the tokens, from there on."""

    shared: frozenset[str]
    copies: int


class Together:
    """Lowers it beside the jobs of one task, whose context is given: node by node, in execution order."""

    def __init__(self, context: Context) -> None:
        graph = context.graph
        _check(graph)
        self._context = context
        self._job = 1 << len(graph.tasks)
        self._parting = parting(graph)
        self._own: Context | None = None
        context.room = self._parting.copies

    def shares(self, node: Node) -> int:
        """The job's bit of the task mask, if it executes the instructions of a job of one task; else 0."""
        return self._job if node.name in self._parting.shared else 0

    def begin(self, node: Node) -> Context:
        """Where a node that is not shared is to be lowered."""
        if self._own is None:
            self._own = self._part(node)
        return self._own

    def _part(self, node: Node) -> Context:
        shared, graph, copies = self._context, self._context.graph, self._parting.copies
        places = dict(shared.places)
        if copies > 1:
            residual = places[node.inputs[0]]
            places = {
                name: place for name, place in places.items() if place.region.buffer is residual.region.buffer
            }
            self._check_residual(places)
        own = shared.beside(copies, places)
        own.task_mask = self._job
        own.offsets = map_offsets(task_entry(graph, task, own.hw).output_bytes for task in graph.tasks)
        for copy in range(1, copies):
            tokens = graph.types[node.inputs[0]].shape[0]
            region = places[node.inputs[0]].region
            own.step(
                f"{node.inputs[0]} copy {copy}",
                Instruction(Opcode.COPY, tokens=tokens, n_tiles=region.width),
                source=region,
                destination=region.rows_from(copy * tokens),
            )
        return own

    def _check_residual(self, residual: Container[str]) -> None:
        """CompileError if anything but the residual stream leads from what is shared to what is not."""
        shared = self._parting.shared
        for node in execution_order(self._context.graph):
            for value in node.inputs if node.name not in shared else ():
                if value in shared and value not in residual:
                    raise CompileError(
                        f"node {node.name!r} reads {value!r}, which the tasks share: a job of all tasks "
                        "cannot have a copy of it for each; compile without one (no --together)"
                    )


def parting(graph: Graph) -> Parting:
    """Where the tasks part: before the input of the first router whose gates differ, or before the heads."""
    order = execution_order(graph)
    names = [node.name for node in order]
    for node in order:
        if isinstance(node, Router) and not all(_same(node.gates[0], gate) for gate in node.gates):
            return Parting(frozenset(names[: names.index(node.inputs[0])]), len(graph.tasks))
    heads = next(index for index, node in enumerate(order) if isinstance(node, Head))
    return Parting(frozenset(names[:heads]), 1)


def _check(graph: Graph) -> None:
    names = [task.name for task in graph.tasks]
    reason = None
    if len(names) < 2:
        reason = f"there is only {names[0]}"
    elif TOGETHER in names:
        reason = f"a task has the name {TOGETHER!r}, which is that job's"
    elif hosted := [task.name for task in graph.tasks if task.host]:
        reason = f"the host computes {', '.join(hosted)}"
    else:
        needed = [graph.needed(name, features=True) for name in names]
        heads = {graph.head(name).name for name in names}
        users = {node.name: sum(node.name in nodes for nodes in needed) for node in graph.nodes}
        apart = [name for name, tasks in users.items() if name not in heads and 0 < tasks < len(names)]
        if apart:
            reason = f"node {apart[0]!r} is not every task's"
    if reason:
        raise CompileError(f"no job of all tasks: {reason}; compile without one (no --together)")


def _same(one: Affine, other: Affine) -> bool:
    pairs = (
        (one.weight, other.weight),
        (one.bias, other.bias),
        (one.requant.multiplier, other.requant.multiplier),
        (one.requant.shift, other.requant.shift),
    )
    return all(np.array_equal(a, b) for a, b in pairs)
