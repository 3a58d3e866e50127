# SPDX-License-Identifier: Apache-2.0
"""The job of all tasks of one image: what they have in common is computed once, every weight is read once.

Tasks part where a router first has a gate for each. Up to there the job's instructions are those of any task.
From there on it has a copy of the tokens for each task, one behind the other: rows [task T, (task + 1) T) of
every value. So a tile of weights meets the tokens of all tasks, and an expert's queue holds those of all.
"""

from __future__ import annotations

import numpy as np

from peritus.arch.isa import Instruction, Opcode
from peritus.bundle.header import TOGETHER, map_offsets
from peritus.compiler.context import Context
from peritus.compiler.errors import CompileError
from peritus.compiler.layout import padded_channels
from peritus.compiler.order import execution_order
from peritus.ir.graph import Graph
from peritus.ir.ops import Affine, Head, Node, Router
from peritus.ir.types import IMAGE


class Together:
    """Lowers it beside the jobs of one task, whose context is given: node by node, in execution order."""

    def __init__(self, context: Context) -> None:
        graph = context.graph
        _check(graph)
        self._context = context
        self._job = 1 << len(graph.tasks)
        self._names = [node.name for node in execution_order(graph)]
        self._parting, self._copies = _parting(graph, self._names)
        self._own: Context | None = None
        context.room = self._copies

    def shares(self, node: Node) -> int:
        """The job's bit of the task mask, if it executes the instructions of a job of one task; else 0."""
        return self._job if self._names.index(node.name) < self._names.index(self._parting) else 0

    def begin(self, node: Node) -> Context:
        """Where a node that is not shared is to be lowered."""
        if self._own is None:
            self._own = self._part(node)
        return self._own

    def _part(self, node: Node) -> Context:
        shared, graph = self._context, self._context.graph
        places = dict(shared.places)
        if self._copies > 1:
            residual = places[node.inputs[0]]
            places = {
                name: place for name, place in places.items() if place.region.buffer is residual.region.buffer
            }
            self._check_residual(set(places) | {IMAGE})
        own = shared.beside(self._copies, places)
        own.task_mask = self._job
        own.offsets = map_offsets(_map_bytes(graph, task.name, own) for task in graph.tasks)
        for copy in range(1, self._copies):
            tokens = graph.types[node.inputs[0]].shape[0]
            region = places[node.inputs[0]].region
            own.step(
                f"{node.inputs[0]} copy {copy}",
                Instruction(Opcode.COPY, tokens=tokens, n_tiles=region.width),
                source=region,
                destination=region.rows_from(copy * tokens),
            )
        return own

    def _check_residual(self, known: set[str]) -> None:
        """CompileError if anything but the residual stream leads from what is shared to what is not."""
        cut = self._names.index(self._parting)
        for name in self._names[cut:]:
            for value in self._context.graph.node[name].inputs:
                if value not in known and self._names.index(value) < cut:
                    raise CompileError(
                        f"node {name!r} reads {value!r}, which the tasks share: a job of all tasks cannot "
                        "have a copy of it for each; compile without one (no --together)"
                    )


def shared_nodes(graph: Graph) -> list[str]:
    """Names of the nodes that the job computes once."""
    names = [node.name for node in execution_order(graph)]
    return names[: names.index(_parting(graph, names)[0])]


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


def _parting(graph: Graph, order: list[str]) -> tuple[str, int]:
    """The first node that the tasks do not share, and copies of the tokens from there on."""
    for name in order:
        node = graph.node[name]
        if isinstance(node, Router) and not all(_same(node.gates[0], gate) for gate in node.gates):
            return node.inputs[0], len(graph.tasks)
    return next(name for name in order if isinstance(graph.node[name], Head)), 1


def _same(one: Affine, other: Affine) -> bool:
    pairs = (
        (one.weight, other.weight),
        (one.bias, other.bias),
        (one.requant.multiplier, other.requant.multiplier),
        (one.requant.shift, other.requant.shift),
    )
    return all(np.array_equal(a, b) for a, b in pairs)


def _map_bytes(graph: Graph, task: str, context: Context) -> int:
    """Of a task's map, as TaskEntry.output_bytes."""
    head = graph.head(task)
    channels = len(head.affine.bias) // head.upscale**2
    pixels = head.rows * head.columns * head.upscale**2
    return 2 * pixels * padded_channels(channels, head.upscale, context.hw)
