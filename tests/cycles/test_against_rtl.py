# SPDX-License-Identifier: Apache-2.0
"""The cycle model against the RTL: frames within 1 % or 50 cycles, most instructions to the cycle."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

import peritus
from peritus.arch.config import load_config
from peritus.arch.isa import Opcode
from peritus.bundle import TOGETHER, Bundle
from peritus.compiler import compile_model
from peritus.demo import SCENE
from peritus.ir.random_model import Dims, random_image, random_model
from peritus.photo import photo_for
from peritus.resources import resource
from peritus.runtime.rtl.device import NO_JOB, RtlDevice
from peritus.runtime.rtl.simulation import DdrParameters
from peritus.runtime.timeline import Cause
from tests.cycles.pairs import Pair, measure

NANO = load_config("nano")
MICRO = Dims()
VIT = Dims(
    height=64, width=48, patch=16, layers=2, moe_layers=(), task_channels=(), classes=10, d=96, heads=3
)


@pytest.fixture(scope="module")
def nano() -> Iterator[tuple[RtlDevice, Bundle]]:
    bundle = peritus.compile(peritus.load_model("m3vit_micro"), hw=NANO, together=True)
    with RtlDevice(NANO, power_up="zeros") as device:
        device.load(bundle)
        yield device, bundle


def scene_of(bundle: Bundle) -> NDArray[np.uint8]:
    return photo_for(SCENE, bundle.frame.shape)


def assert_close(pair: Pair) -> None:
    causes = {c.name: (pair.model.timeline.causes()[c], pair.rtl.causes()[c]) for c in Cause}
    assert pair.close, f"model {pair.model.cycles}, RTL {pair.rtl.cycles}: {causes}"


def test_the_monitor_and_python_name_the_same_causes() -> None:
    text = resource("sim/peritus_cycle_monitor.sv").read_text()
    found = re.search(r"enum logic \[4:0\] \{(.*?)\} cause_e", text, re.DOTALL)
    assert found is not None
    assert [name.strip() for name in found[1].split(",")] == [NO_JOB, *(cause.name for cause in Cause)]


@pytest.mark.parametrize(
    ("unit", "prefix"), [("control/peritus_sequencer", "SEQ"), ("compute/peritus_tile_loader", "LOAD")]
)
def test_the_monitor_knows_the_states(unit: str, prefix: str) -> None:
    text = resource(f"rtl/{unit}.sv").read_text()
    states = re.search(r"enum logic \[\d:0\] \{(.*?)\} state_e", text, re.DOTALL)
    assert states is not None
    order = [name.strip() for name in states[1].split(",")]
    monitor = resource("sim/peritus_cycle_monitor.sv").read_text()
    known = re.findall(rf"\b{prefix}_(\w+) = (\d+)", monitor)
    assert len(known) >= 5
    assert all(order[int(number)] == name for name, number in known)


@pytest.mark.sim
@pytest.mark.parametrize(
    ("task", "features"),
    [("semseg", False), ("semseg", True), ("depth", False), ("depth", True), (TOGETHER, False)],
)
def test_every_instruction_of_a_shipped_model(
    nano: tuple[RtlDevice, Bundle], task: str, features: bool
) -> None:
    device, bundle = nano
    pair = measure(device, bundle, scene_of(bundle), task, features=features)
    assert_close(pair)
    assert pair.model.weight_bytes == pair.bytes_read
    rows = list(zip(pair.model.timeline.rows(), pair.rtl.rows(), strict=True))
    for model, rtl in rows:
        assert model.instruction == rtl.instruction
        opcode = bundle.instructions[rtl.instruction].opcode
        slack = 4 if opcode in (Opcode.LOAD_IMAGE, Opcode.STORE) else 0  # whose bandwidth has fractions
        assert abs((model.end - model.start) - (rtl.end - rtl.start)) <= slack, bundle.describe(
            rtl.instruction
        )
        if not slack:
            assert model.causes == rtl.causes, bundle.describe(rtl.instruction)


@pytest.mark.sim
def test_nothing_is_recorded_unless_asked(nano: tuple[RtlDevice, Bundle]) -> None:
    device, bundle = nano
    device.simulation.record_cycles(False)
    device.run(scene_of(bundle), task="semseg")
    assert device.simulation.changes() == [] and device.timelines() == []
    device.simulation.record_cycles()
    device.run_batch([scene_of(bundle)] * 2, ["semseg", "depth"])
    frames = device.timelines()
    assert len(frames) == 2
    assert all(sum(frame.causes().values()) == frame.cycles for frame in frames)
    assert all(start < end for frame in frames for start, end in pairwise((0, *frame.ends)))


@pytest.mark.sim
def test_the_next_image_is_loaded_while_a_result_is_written(nano: tuple[RtlDevice, Bundle]) -> None:
    """Frames of a stream add up; each has for nothing what of its image the result before hides."""
    device, bundle = nano
    image, tasks = scene_of(bundle), ["semseg", "depth", "semseg", "semseg"]
    alone = {task: device.run(image, task=task) for task in tasks}
    device.simulation.record_cycles()
    first = device.simulation.cycles
    results = list(device.stream([image] * len(tasks), tasks))
    frames = device.timelines()
    assert [frame.cycles for frame in frames] == [result.perf.cycles for result in results]
    assert sum(frame.cycles for frame in frames) < device.simulation.cycles - first
    for result, task in zip(results, tasks, strict=True):
        np.testing.assert_array_equal(result.outputs[task], alone[task].outputs[task])
        assert result.perf.bytes_written == alone[task].perf.bytes_written
    for before, frame in pairwise(frames):
        hidden = frames[0].causes()[Cause.IMAGE] - frame.causes()[Cause.IMAGE]
        assert 0 < hidden <= before.causes()[Cause.RESULT]


@pytest.mark.sim
@pytest.mark.parametrize("routing", ["even", "skewed", "idle", "single", "ties"])
@pytest.mark.parametrize("hw", ["nano", "edge", "zcu104"])
def test_every_routing(routing: str, hw: str) -> None:
    """Idle experts' segments are dropped at the right time: the bytes read are the same."""
    dims = replace(MICRO, routing=routing)  # type: ignore[arg-type]
    config = load_config(hw)
    bundle = compile_model(random_model(dims), config)
    with RtlDevice(config, power_up="zeros") as device:
        device.load(bundle)
        for task in bundle.tasks:
            pair = measure(device, bundle, random_image(dims), task.name, features=True)
            assert_close(pair)
            assert abs(pair.model.weight_bytes - pair.bytes_read) <= 2 * config.stripe_bytes


@pytest.mark.long
@pytest.mark.sim
def test_a_plain_transformer_on_larger_memories() -> None:
    config = load_config("zcu104_vit")
    bundle = compile_model(random_model(VIT), config)
    with RtlDevice(config, power_up="zeros") as device:
        device.load(bundle)
        assert_close(measure(device, bundle, random_image(VIT), bundle.tasks[0].name))


@pytest.mark.sim
def test_a_frame_of_m3vit_tiny() -> None:
    config = load_config("zcu104")
    bundle = peritus.compile(peritus.load_model("m3vit_tiny"), hw=config)
    with RtlDevice(config, power_up="zeros") as device:
        device.load(bundle)
        pair = measure(device, bundle, scene_of(bundle), "semseg", features=True)
        assert_close(pair)
        assert pair.model.weight_bytes == pair.bytes_read


@pytest.mark.sim
@pytest.mark.parametrize(
    "ddr",
    [
        DdrParameters(bytes_per_cycle=1.0),
        DdrParameters(bytes_per_cycle=3.0, read_latency=150, outstanding=2),
        DdrParameters(bytes_per_cycle=3.0, read_latency=100, outstanding=1),
        DdrParameters(bytes_per_cycle=6.0, read_latency=60, jitter=60),
        DdrParameters(bytes_per_cycle=2.0, read_latency=40, refresh_period=900, refresh_cycles=100),
        DdrParameters(bytes_per_cycle=42.0, read_latency=1),
        DdrParameters(port_bytes_per_cycle=(1.5,)),
    ],
    ids=str,
)
def test_other_memories(ddr: DdrParameters) -> None:
    dims = replace(MICRO, routing="skewed")
    bundle = compile_model(random_model(dims), NANO)
    with RtlDevice(NANO, power_up="zeros", ddr=ddr) as device:
        device.load(bundle)
        assert_close(
            measure(device, bundle, random_image(dims), bundle.tasks[0].name, features=True, ddr=ddr)
        )
