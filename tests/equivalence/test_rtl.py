# SPDX-License-Identifier: Apache-2.0
"""Whole models on cycle-accurate RTL against the reference: every integer of outputs and features.

On a difference the mismatch locator says which instruction, token and channel was wrong first.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import get_args

import numpy as np
import numpy.typing as npt
import pytest

import peritus
from peritus import ir
from peritus.arch.config import load_config
from peritus.bundle import TOGETHER, Bundle
from peritus.compiler import compile_model
from peritus.debug.locate import locate
from peritus.image import fit_image
from peritus.ir.random_model import Dims, RoutingPattern, random_image, random_model
from peritus.reference import HIDDEN_ZERO_POINT
from peritus.report import same_result
from peritus.runtime.iss.device import IssDevice
from peritus.runtime.rtl.device import RtlDevice
from peritus.runtime.rtl.simulation import DdrParameters
from quant_models.data.scenes import SPLITS, generate

pytestmark = pytest.mark.sim
NANO, ZCU104 = load_config("nano"), load_config("zcu104")
MICRO = Dims(layers=2)
# The dimensions of m3vit_tiny, but two layers: all mechanisms at full width in a fraction of the cycles.
TINY = Dims(
    height=128, width=256, d=192, heads=3, layers=2, hidden=768, experts=16, expert_hidden=384,
    task_channels=(19, 1),
)  # fmt: skip


@pytest.fixture(scope="module")
def nano() -> Iterator[RtlDevice]:
    with RtlDevice(NANO) as device:
        yield device


@pytest.fixture(scope="module")
def zcu104() -> Iterator[RtlDevice]:
    with RtlDevice(ZCU104) as device:
        yield device


def assert_equal(
    device: RtlDevice, bundle: Bundle, images: list[npt.NDArray[np.uint8]], features: bool = True
) -> list[int]:
    """Run every image on every task, queued; cycles of each job."""
    device.load(bundle)
    jobs = [(image, task.name) for image in images for task in bundle.tasks]
    results = device.run_batch([i for i, _ in jobs], [t for _, t in jobs], features=features)
    with IssDevice(device.hw) as reference:
        reference.load(bundle)
        for (image, task), result in zip(jobs, results, strict=True):
            if not same_result(result, reference.run(image, task=task, features=features)):
                pytest.fail(str(locate(bundle, device.hw, image, task=task, features=features)))
    return [result.perf.cycles or 0 for result in results]


@pytest.mark.parametrize("routing", ["even", "skewed", "idle", "single", "ties"])
def test_routing_patterns_on_nano(nano: RtlDevice, routing: RoutingPattern) -> None:
    dims = replace(MICRO, routing=routing)
    assert_equal(nano, compile_model(random_model(dims), NANO), [random_image(dims, s) for s in range(2)])


@pytest.mark.parametrize(
    "changes",
    [
        {"top_k": 1},
        {"experts": 3, "expert_hidden": 40},
        {"experts": 1, "top_k": 1},
        {"d": 72, "heads": 3, "hidden": 88},
        {"d": 60, "heads": 5},
        {"heads": 1, "hidden": 8},
        {"d": 8, "heads": 1, "hidden": 8, "expert_hidden": 8},  # every GEMM is one tile: all waits are needed
        {"task_channels": (1, 2, 5)},
        {"upscale": 2},
        {"moe_layers": (0, 1)},
        {"moe_layers": (), "classes": 5},
        {"expert_bits": 4},
        {"zero_point": HIDDEN_ZERO_POINT},
        {"zero_point": HIDDEN_ZERO_POINT, "activation": "relu"},
        {"patch": 8, "height": 24, "width": 40},
        {"height": 16, "width": 16},  # one patch
        {"patch": 14, "height": 28, "width": 42, "upscale": 2},  # rows of 42 bytes in six beats of 8
        {"patch": 5, "height": 15, "width": 20, "upscale": 1, "channels": 1},
        {"prefix": 0},
        {"prefix": 5},
        {"channels": 1},
        {"channels": 4, "prefix": 0},
    ],
)
def test_odd_shapes_on_nano(nano: RtlDevice, changes: dict[str, int]) -> None:
    dims = replace(MICRO, **changes)  # type: ignore[arg-type]
    assert_equal(nano, compile_model(random_model(dims), NANO), [random_image(dims)])


@pytest.mark.parametrize(("heads", "width"), [(5, 2), (4, 4), (3, 5), (3, 12), (2, 20)])
def test_heads_of_part_of_a_word_on_nano(nano: RtlDevice, heads: int, width: int) -> None:
    """Several values in a word of eight, and heads of more than a word that begin within one."""
    dims = replace(MICRO, d=heads * width, heads=heads)
    assert_equal(nano, compile_model(random_model(dims), NANO), [random_image(dims)])


HEAD_SIZES = [(6, 32), (4, 48), (3, 64), (2, 80), (2, 96)]


@pytest.mark.parametrize(("heads", "width"), HEAD_SIZES)
def test_head_sizes_on_zcu104(zcu104: RtlDevice, heads: int, width: int) -> None:
    dims = replace(MICRO, d=heads * width, heads=heads, task_channels=(3,))
    assert_equal(zcu104, compile_model(random_model(dims), ZCU104), [random_image(dims)])


@pytest.fixture(scope="module")
def zcu104_vit() -> Iterator[RtlDevice]:
    with RtlDevice(load_config("zcu104_vit")) as device:
        yield device


@pytest.mark.long
@pytest.mark.parametrize(("heads", "width"), HEAD_SIZES)
def test_head_sizes_with_129_tokens(zcu104_vit: RtlDevice, heads: int, width: int) -> None:
    d = heads * width
    dims = replace(TINY, d=d, heads=heads, hidden=4 * d, experts=4, expert_hidden=2 * d, task_channels=(19,))
    bundle = compile_model(random_model(dims), zcu104_vit.hw)
    (cycles,) = assert_equal(zcu104_vit, bundle, [random_image(dims)])
    print(
        f"{heads} heads of {width}: {cycles:,} cycles, {bundle.memory['kv_words']:,} words of keys and values"
    )


@pytest.mark.parametrize("seed", range(4))
def test_random_dimensions_on_nano(nano: RtlDevice, seed: int) -> None:
    rng = np.random.default_rng(100 + seed)
    heads = int(rng.integers(1, 4))
    experts = int(rng.integers(1, 5))
    dims = Dims(
        height=16 * int(rng.integers(1, 4)),
        width=16 * int(rng.integers(1, 3)),
        d=heads * int(rng.integers(4, 20)),
        heads=heads,
        layers=2,
        hidden=int(rng.integers(8, 130)),
        experts=experts,
        top_k=int(rng.integers(1, min(2, experts) + 1)),
        expert_hidden=int(rng.integers(8, 70)),
        task_channels=tuple(int(c) for c in rng.integers(1, 9, rng.integers(1, 4))),
        routing=("even", "skewed", "ties", "idle")[seed],  # type: ignore[arg-type]
    )
    assert_equal(nano, compile_model(random_model(dims, seed), NANO), [random_image(dims, seed)])


def test_token_and_query_blocks_on_nano(nano: RtlDevice) -> None:
    """42 patches with 32 accumulator rows: passes, queues and queries come in blocks."""
    dims = Dims(
        height=48, width=56, patch=8, d=8, heads=1, layers=2, hidden=8, expert_hidden=8, task_channels=(1,)
    )
    bundle = compile_model(random_model(dims), NANO)
    assert any("tokens from 32" in label for label in bundle.labels)
    assert any("scores, tokens from 40" in label for label in bundle.labels)
    assert_equal(nano, bundle, [random_image(dims)])


@pytest.mark.usefixtures("unverified")
def test_without_waiting_the_smallest_model_is_wrong(nano: RtlDevice) -> None:
    """The waits that the hazard analysis leaves in are needed, and this suite would notice one too few."""
    dims = replace(MICRO, d=8, heads=1, hidden=8, expert_hidden=8)
    bundle = compile_model(random_model(dims), NANO)
    hasty = tuple(replace(i, sync=0, wait_stream=0) for i in bundle.instructions)
    image = random_image(dims)
    with IssDevice(NANO) as reference:
        reference.load(bundle)
        expected = reference.run(image, task="task0", features=True)
    nano.load(replace(bundle, instructions=hasty))
    assert not same_result(nano.run(image, task="task0", features=True), expected)


def unseen_scenes(height: int, width: int) -> list[npt.NDArray[np.uint8]]:
    """The first ten scenes of the test split."""
    first = SPLITS["test"]
    return [fit_image(generate(seed).image, height, width) for seed in range(first, first + 10)]


def test_m3vit_micro_on_nano(nano: RtlDevice) -> None:
    assert_equal(nano, peritus.compile(peritus.load_model("m3vit_micro"), hw=NANO), unseen_scenes(32, 64))


def test_a_disturbed_memory_changes_no_integer() -> None:
    """Late, jittering, refreshing, stalling memory: the same result, only later."""
    bundle = compile_model(random_model(MICRO), NANO)
    ddr = DdrParameters(
        read_latency=150, bytes_per_cycle=3.0, jitter=60, refresh_period=900, refresh_cycles=100, stall=0.3
    )
    with RtlDevice(NANO, ddr=ddr) as slow:
        cycles = assert_equal(slow, bundle, [random_image(MICRO)])
    with RtlDevice(NANO) as fast:
        assert cycles[0] > 1.2 * assert_equal(fast, bundle, [random_image(MICRO)])[0]


@pytest.mark.parametrize("routing", ["even", "skewed", "idle", "single", "ties"])
def test_routing_patterns_on_zcu104(zcu104: RtlDevice, routing: RoutingPattern) -> None:
    dims = replace(TINY, routing=routing)
    assert_equal(zcu104, compile_model(random_model(dims), ZCU104), [random_image(dims)])


@pytest.mark.parametrize("first", [0, *(pytest.param(n, marks=pytest.mark.long) for n in range(2, 10, 2))])
def test_m3vit_tiny_on_unseen_scenes(zcu104: RtlDevice, first: int) -> None:
    """All 12 layers, trained weights, both tasks, two scenes; every frame within the cycle budget."""
    bundle = peritus.compile(peritus.load_model("m3vit_tiny"), hw=ZCU104)
    cycles = assert_equal(zcu104, bundle, unseen_scenes(128, 256)[first : first + 2])
    assert max(cycles) <= 900_000


def test_m3vit_tiny_on_edge() -> None:
    """Another shape of array and another number of ports, as on the KV260."""
    hw = load_config("edge")
    with RtlDevice(hw) as device:
        assert_equal(
            device, peritus.compile(peritus.load_model("m3vit_tiny"), hw=hw), unseen_scenes(128, 256)[:1]
        )


def test_without_features_nothing_but_results_is_written(nano: RtlDevice) -> None:
    """By the device's own counter and by the memory model's."""
    bundle = compile_model(random_model(MICRO), NANO)
    nano.load(bundle)
    for index, task in enumerate(bundle.tasks):
        for features in (False, True):
            before = nano.simulation.traffic().written
            result = nano.run(random_image(MICRO), task=task.name, features=features)
            wanted = bundle.tasks[index].output_bytes + features * bundle.features.output_bytes
            assert result.perf.bytes_written == wanted
            assert nano.simulation.traffic().written - before == wanted


def test_idle_experts_are_not_fetched_in_full(nano: RtlDevice) -> None:
    """Half of the experts idle: the weights of those that the prefetcher has not reached are never read."""
    read = {}
    for routing in ("even", "idle"):
        dims = replace(MICRO, routing=routing, expert_hidden=120)  # type: ignore[arg-type]
        nano.load(compile_model(random_model(dims), NANO))
        read[routing] = nano.run(random_image(dims), task="task0").perf.bytes_read
    assert read["idle"] < read["even"]


def test_graph_executor_and_rtl_meet(nano: RtlDevice) -> None:
    """Both ends without anything between: the integer graph and the silicon-to-be."""
    model = random_model(MICRO)
    nano.load(compile_model(model, NANO))
    image = random_image(MICRO, 7)
    for task in model.graph.tasks:
        expected = ir.execute(model.graph, image, task.name)
        result = nano.run(image, task=task.name, features=True)
        assert np.array_equal(result.outputs[task.name], expected.output)
        assert np.array_equal(result.raw_features, expected.features)


def _together() -> Iterator[tuple[str, Dims]]:
    dims = replace(MICRO, layers=3, width=32)
    for routing in get_args(RoutingPattern):
        yield routing, replace(dims, routing=routing)
    # The first map ends in the midst of 64 bytes, where a guard would let no burst begin.
    yield (
        "small maps",
        replace(dims, height=12, width=12, patch=4, d=16, heads=1, upscale=1, task_channels=(1, 8)),
    )


@pytest.mark.parametrize("dims", [pytest.param(dims, id=name) for name, dims in _together()])
def test_all_tasks_in_one_job_on_nano(nano: RtlDevice, dims: Dims) -> None:
    """Between jobs of one task: every map is the same, and so is the cycle model's time."""
    bundle = compile_model(random_model(dims), NANO, together=True)
    image = random_image(dims)
    names = [bundle.tasks[0].name, TOGETHER, TOGETHER, bundle.tasks[1].name]
    nano.load(bundle)
    results = nano.run_batch([image] * len(names), names)
    with IssDevice(NANO) as reference:
        reference.load(bundle)
        for name, result in zip(names, results, strict=True):
            if not same_result(result, reference.run(image, task=name)):
                pytest.fail(str(locate(bundle, NANO, image, task=name, features=False)))
