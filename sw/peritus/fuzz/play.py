# SPDX-License-Identifier: Apache-2.0
"""Plays a case: the integer graph, the instruction set simulator and a device, job by job."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from peritus.arch.config import HwConfig
from peritus.arch.isa import Function, Opcode, Scale2, StatSource
from peritus.bundle import TOGETHER, Bundle
from peritus.compiler import compile_model
from peritus.compiler.errors import CapacityError
from peritus.errors import PeritusError
from peritus.fuzz.case import Case
from peritus.fuzz.coverage import Mode, executed
from peritus.fuzz.extremes import apply
from peritus.ir import execute
from peritus.ir.execute import Execution
from peritus.ir.graph import Graph
from peritus.ir.model_file import QuantModel
from peritus.ir.ops import Experts
from peritus.ir.random_model import Dims, random_image, random_model
from peritus.reference import Routing
from peritus.report import same_as_graph, same_result
from peritus.runtime import Device, Result
from peritus.runtime.iss.device import IssDevice
from peritus.verifier import ProgramRefused, verify_program

OTHER = Dims(height=8, width=8, patch=4, d=8, heads=1, layers=1, hidden=8, upscale=1, task_channels=(2,))
Opener = Callable[[HwConfig, Case], Device]


class Difference(PeritusError):
    """Two that must agree do not; says which, and in what."""


@dataclass
class Played:
    """What a case was: cycles simulated, modes that its program has, results compared; too_large: it was not
    played, the network does not fit the hardware."""

    cycles: int = 0
    results: int = 0
    modes: set[Mode] = field(default_factory=set)
    too_large: bool = False


def play(case: Case, opener: Opener) -> Played:
    """Run a case on a device.

    Args:
        opener: opens the device that is compared, for the case's hardware, memory and power-up.
    Raises:
        Difference: an integer differs. Any other PeritusError: of a device.
    """
    hw, played = case.hardware, Played()
    model = random_model(case.network, case.model_seed)
    graph: Graph | None = apply(model.graph, case.extremes, case.model_seed)
    assert graph is not None
    try:
        bundle = compiled(replace(model, graph=graph), hw)
        other = compile_model(random_model(OTHER, case.model_seed), hw)
    except CapacityError:
        return Played(too_large=True)
    if case.modes:
        bundle, graph = other_modes(bundle, case), None
    verify_program(bundle)
    idle = warm = False
    with opener(hw, case) as device, IssDevice(hw) as reference:
        device.load(bundle)
        reference.load(bundle)
        for number, (what, kinds, task, features) in enumerate(case.jobs):
            images = [image_of(kind, bundle, case.model_seed + n) for n, kind in enumerate(kinds)]
            names = [bundle.job_name((task + n) % bundle.jobs) for n in range(len(images))]
            features = features and TOGETHER not in names
            where = f"job {number} ({what})"
            if what == "reset":
                device.reset()
            elif what == "abandon":
                next(iter(device.stream(images, names)))
                device.reset()
            elif what == "other":
                device.load(other)
                picture = image_of(kinds[0], other, case.model_seed)
                name = other.tasks[0].name
                with IssDevice(hw) as second:
                    second.load(other)
                    there = second.run(picture, task=name)
                _compare(device.run(picture, task=name), there, f"{where}, other", played)
                device.load(bundle)
            found = device.run_batch(images, names, features=features)
            expected = reference.run_batch(images, names, features=features)
            warm |= len(images) > 1
            for image, name, one, two in zip(images, names, found, expected, strict=True):
                _compare(one, two, f"{where}, task {name}", played)
                if graph is None:
                    continue
                for part in two.by_task():
                    execution = execute(graph, image, part.task.name, keep_values=True)
                    if not same_as_graph(part, execution):
                        raise Difference(
                            f"{where}, task {name}: the simulator's integers are not the graph's"
                        )
                    idle |= has_idle_expert(graph, execution)
    played.modes = executed(bundle, warm=warm, idle=idle)
    return played


def compiled(model: QuantModel, hw: HwConfig) -> Bundle:
    """With a job of all tasks, if there are several and the hardware holds them; raises as compile_model."""
    if len(model.graph.tasks) > 1:
        try:
            return compile_model(model, hw, together=True)
        except CapacityError:
            pass
    return compile_model(model, hw)


def has_idle_expert(graph: Graph, execution: Execution) -> bool:
    """Was there an expert that no token chose? execution: with all values."""
    for node in graph.nodes:
        if isinstance(node, Experts) and node.name in execution.values:
            routing = execution.values[node.inputs[1]]
            assert isinstance(routing, Routing)
            if any(len(routing.queue(index)[0]) == 0 for index in range(len(node.experts))):
                return True
    return False


def other_modes(bundle: Bundle, case: Case) -> Bundle:
    """The bundle with some instructions in modes that no network leads to, as far as the verifier accepts."""
    rng = np.random.default_rng([case.seed, 4])
    program = list(bundle.instructions)
    gemms = [n for n, i in enumerate(program) if i.opcode is Opcode.GEMM]
    for index in rng.choice(gemms, case.modes):
        before = program[index]
        changes: dict[str, int] = {}
        if before.stat_src is StatSource.WEIGHTS:
            changes["fn"] = Function(int(rng.integers(len(Function))))
            if rng.random() < 0.5:
                changes["scale2"] = Scale2(int(rng.integers(len(Scale2))))
        if rng.random() < 0.5:
            changes[str(rng.choice(["sync", "wait_stream"]))] = 1
        program[index] = replace(before, **changes)
        try:
            verify_program(replace(bundle, instructions=tuple(program)))
        except ProgramRefused:
            program[index] = before
    return replace(bundle, instructions=tuple(program))


def image_of(kind: str, bundle: Bundle, seed: int) -> NDArray[np.uint8]:
    """An image of one of peritus.fuzz.case.IMAGES, uint8 [height, width, channels]."""
    shape = bundle.frame.shape
    y, x, _ = np.indices(shape)
    match kind:
        case "black" | "white" | "grey":
            return np.full(shape, {"black": 0, "white": 255, "grey": 128}[kind], np.uint8)
        case "checks":
            return np.asarray((x + y) % 2 * 255, np.uint8)
        case "ramp":
            return np.asarray((x * 256 // shape[1] + y) % 256, np.uint8)
        case "photo":
            dims = Dims(height=shape[0], width=shape[1], channels=shape[2])
            return random_image(dims, seed)
        case _:
            return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def _compare(found: Result, expected: Result, where: str, played: Played) -> None:
    played.results += 1
    played.cycles += found.perf.cycles or 0
    if not same_result(found, expected):
        raise Difference(f"{where}: the device's integers are not those of the instruction set simulator")
