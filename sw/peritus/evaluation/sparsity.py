# SPDX-License-Identifier: Apache-2.0
"""What one task costs: the compiled program walked instruction by instruction, as real images are routed.

Nothing is taken from formulas of the model. The walk follows the rules of peritus.runtime.iss: the
task mask selects instructions and weight segments, an expert works on its queue, an idle expert's segments
are not fetched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from peritus.arch.config import HwConfig
from peritus.arch.isa import Dest, Instruction, Opcode
from peritus.bundle import Bundle
from peritus.bundle.disassemble import uses_weight_stream
from peritus.evaluation.workers import default_workers, in_order
from peritus.ir import Graph, QuantModel, Router, execute
from peritus.reference import Routing

Chosen = npt.NDArray[np.int64]  # [tokens, top_k] experts


@dataclass(frozen=True)
class Cost:
    """Of one image. macs: multiply-accumulates of the array, padding to whole tiles included.

    weight_bytes: read from external memory, parameters and padding included. ddr_bytes: with image and maps.
    """

    macs: float = 0
    weight_bytes: float = 0
    ddr_bytes: float = 0

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            self.macs + other.macs,
            self.weight_bytes + other.weight_bytes,
            self.ddr_bytes + other.ddr_bytes,
        )

    def scaled(self, factor: float) -> Cost:
        """Every figure times `factor`."""
        return Cost(self.macs * factor, self.weight_bytes * factor, self.ddr_bytes * factor)


@dataclass(frozen=True, eq=False)
class Sparsity:
    """Means over `images` images.

    tasks: of one job of each task, as routed. one_pass: every expert on every token and every gate and head
    in one pass over the network. separate_passes: the same as one pass per task. weight_bytes: of the bundle.
    use: by task, [MoE layers, experts], the share of the tokens that an expert works on (top_k / experts if
    all are used alike). routers: names of the layers.
    """

    images: int
    tasks: dict[str, Cost]
    one_pass: Cost
    separate_passes: Cost
    weight_bytes: int
    use: dict[str, npt.NDArray[np.float64]]
    routers: tuple[str, ...]


def measure(
    model: QuantModel,
    bundle: Bundle,
    hw: HwConfig,
    images: Iterable[npt.NDArray[np.uint8]],
    *,
    workers: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> Sparsity:
    """Cost of every task of `bundle`, compiled from `model` for `hw`, on uint8 [height, width, 3] images.

    Raises:
        ImageError: an image of the wrong size. WorkerError: a worker process died.
    """
    graph = model.graph
    names = [task.name for task in bundle.tasks]
    routers = [node for node in graph.nodes if isinstance(node, Router)]
    experts = max((len(router.gates[0].bias) for router in routers), default=0)
    costs = {name: Cost() for name in names}
    use = {name: np.zeros((len(routers), experts)) for name in names}
    count = 0
    for found in in_order(_routing, images, workers or default_workers(), _prepare, (graph,)):
        count += 1
        for index, name in enumerate(names):
            costs[name] += job_cost(bundle, hw, index, found[name])
            for layer, router in enumerate(routers):
                chosen = found[name][router.name]
                use[name][layer] += np.bincount(chosen.ravel(), minlength=experts) / len(chosen)
        if progress is not None:
            progress(count)
    share = 1 / max(count, 1)
    separate = sum((job_cost(bundle, hw, index, None) for index in range(len(names))), Cost())
    return Sparsity(
        count,
        {name: cost.scaled(share) for name, cost in costs.items()},
        job_cost(bundle, hw, None, None),
        separate,
        len(bundle.weights),
        {name: load * share for name, load in use.items()},
        tuple(router.name for router in routers),
    )


def job_cost(bundle: Bundle, hw: HwConfig, task: int | None, chosen: Mapping[str, Chosen] | None) -> Cost:
    """Cost of one pass over the program, without features, once resident weights are there.

    task: index; None executes the instructions of all tasks. chosen: experts of the tokens, by name of the
    router; None: every expert works on every token.
    """
    entries = iter(
        [e for e in bundle.fetches if not e.cold_only and (task is None or e.task_mask >> task & 1)]
    )
    macs = stripes = 0
    queues = _Queues(bundle, chosen)
    for index, instruction in enumerate(bundle.instructions):
        runs = task is None or instruction.task_mask >> task & 1
        if not runs or instruction.features_only or instruction.cold_only:
            continue
        rows = queues.rows(index, instruction)
        if uses_weight_stream(instruction):
            entry = next(entries)
            stripes += entry.stripes if rows else 0
        if instruction.opcode is Opcode.GEMM:
            macs += rows * instruction.k_tiles * hw.pk * instruction.n_tiles * hw.pn
    stored = bundle.tasks if task is None else bundle.tasks[task : task + 1]
    weight_bytes = stripes * hw.stripe_bytes
    maps = sum(entry.output_bytes for entry in stored)
    return Cost(macs, weight_bytes, weight_bytes + bundle.frame.bytes + maps)


class _Queues:
    """Lengths of the experts' queues during a walk: a gate routes the next block of its tokens."""

    def __init__(self, bundle: Bundle, chosen: Mapping[str, Chosen] | None) -> None:
        self._labels, self._chosen = bundle.labels, chosen
        self._routed: dict[str, int] = {}
        self._lengths: npt.NDArray[np.int64] = np.zeros(0, np.int64)

    def rows(self, index: int, instruction: Instruction) -> int:
        """Rows that an instruction works on."""
        if self._chosen is None or not instruction.expert_valid:
            if self._chosen is not None and instruction.dst is Dest.ROUTER:
                self._route(self._labels[index].partition(" ")[0], self._chosen, instruction)
            return instruction.tokens
        return int(self._lengths[instruction.expert])

    def _route(self, router: str, chosen: Mapping[str, Chosen], instruction: Instruction) -> None:
        first = self._routed.get(router, 0)
        self._routed[router] = first + instruction.tokens
        block = chosen[router][first : first + instruction.tokens]
        self._lengths = np.bincount(block.ravel(), minlength=instruction.width)


_held: list[Graph] = []  # the graph of this process


def _prepare(graph: Graph) -> None:
    _held[:] = [graph]


def _routing(image: npt.NDArray[np.uint8]) -> dict[str, dict[str, Chosen]]:
    """Chosen experts by task and router."""
    (graph,) = _held
    found = {}
    for task in graph.tasks:
        values = execute(graph, image, task.name, keep_values=True).values
        found[task.name] = {name: v.experts for name, v in values.items() if isinstance(v, Routing)}
    return found
