# SPDX-License-Identifier: Apache-2.0
"""Compiled programs on the interpreter against the graph executor: every integer, many shapes and gates."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from peritus import ir
from peritus.arch.config import HwConfig, load_config
from peritus.arch.isa import Opcode
from peritus.arch.memories import Memory
from peritus.bundle import Bundle
from peritus.compiler import compile_model
from peritus.ir.random_model import Dims, RoutingPattern, random_image, random_model
from peritus.runtime import open_device
from peritus.runtime.iss import Trace
from peritus.runtime.iss.counts import check_counts
from peritus.runtime.iss.device import IssDevice
from peritus.runtime.iss.memories import ProgramError
from tests.common.bad_counts import SMALLEST, bad_counts, limits

MICRO = Dims()
TINY = Dims(
    height=128, width=256, d=192, heads=3, layers=12, hidden=768, experts=16, expert_hidden=384,
    task_channels=(19, 1),
)  # fmt: skip


def assert_equal(model: ir.QuantModel, dims: Dims, hw: HwConfig, seeds: tuple[int, ...] = (0,)) -> Bundle:
    """Outputs and features of every task, after a round trip of the bundle through its file format."""
    bundle = Bundle.from_bytes(compile_model(model, hw).to_bytes())
    with IssDevice(hw) as device:
        device.load(bundle)
        for seed in seeds:
            image = random_image(dims, seed)
            for task in model.graph.tasks:
                expected = ir.execute(model.graph, image, task.name)
                result = device.run(image, task=task.name, features=True)
                assert (result.outputs[task.name] == expected.output).all()
                assert result.raw_features is not None
                assert (result.raw_features == expected.features).all()
                assert result.features is not None
                exact = expected.features.astype(np.float32) * np.float32(model.graph.residual_scale)
                assert (result.features == exact).all()
    return bundle


@pytest.mark.parametrize("routing", ["even", "skewed", "idle", "single", "ties"])
@pytest.mark.parametrize("hw", ["nano", "edge", "zcu104"])
def test_every_routing_on_every_configuration(routing: RoutingPattern, hw: str) -> None:
    dims = replace(MICRO, routing=routing)
    assert_equal(random_model(dims), dims, load_config(hw), seeds=(0, 1))


@pytest.mark.parametrize(
    ("changes", "hw"),
    [
        ({"top_k": 1}, "nano"),
        ({"top_k": 4}, "edge"),
        ({"experts": 3, "expert_hidden": 40}, "nano"),
        ({"experts": 13, "top_k": 3, "expert_hidden": 100}, "edge"),
        ({"d": 72, "heads": 3, "hidden": 88}, "nano"),  # nothing is a multiple of pn or pk elsewhere
        ({"d": 72, "heads": 3, "hidden": 88}, "zcu104"),
        ({"d": 60, "heads": 5}, "edge"),  # heads of 12 channels, padded to 32
        ({"heads": 1}, "nano"),
        ({"layers": 1}, "nano"),
        ({"task_channels": (3,)}, "edge"),
        ({"task_channels": (1, 2, 5, 7, 1)}, "edge"),
        ({"upscale": 2}, "zcu104"),
        ({"upscale": 1, "task_channels": (6,)}, "edge"),
        ({"patch": 8, "height": 24, "width": 40}, "edge"),  # rows of 24 bytes, in two beats of 16
        ({"patch": 8, "height": 24, "width": 40, "layers": 2}, "nano"),
        ({"height": 48, "width": 64, "patch": 32}, "zcu104"),  # 48 is not a multiple of 32
        ({"height": 64, "width": 64, "patch": 32}, "zcu104"),
    ],
)
def test_odd_shapes(changes: dict[str, int], hw: str) -> None:
    dims = replace(MICRO, **changes)  # type: ignore[arg-type]
    if dims.height % dims.patch:
        with pytest.raises((ir.GraphError, ValueError)):
            random_model(dims)
        return
    assert_equal(random_model(dims), dims, load_config(hw))


@pytest.mark.parametrize("seed", range(6))
def test_random_dimensions(seed: int) -> None:
    rng = np.random.default_rng(seed)
    heads = int(rng.integers(1, 5))
    experts = int(rng.integers(1, 17))
    dims = Dims(
        height=16 * int(rng.integers(1, 6)),
        width=16 * int(rng.integers(1, 6)),
        d=heads * int(rng.integers(4, 40)),
        heads=heads,
        layers=int(rng.integers(1, 4)),
        hidden=int(rng.integers(8, 200)),
        experts=experts,
        top_k=int(rng.integers(1, min(4, experts) + 1)),
        expert_hidden=int(rng.integers(8, 150)),
        task_channels=tuple(int(c) for c in rng.integers(1, 20, rng.integers(1, 4))),
        routing=("even", "skewed", "ties")[seed % 3],  # type: ignore[arg-type]
    )
    assert_equal(random_model(dims, seed), dims, load_config("edge"))


@pytest.mark.parametrize(
    "limits",
    [
        {"acc_depth": 8},  # 17 tokens in three passes: shared segments, experts by block
        {"score_words": 18},  # queries in blocks of 3 words each
        {"acc_depth": 10, "score_words": 16},
    ],
)
def test_token_and_query_blocks(limits: dict[str, int]) -> None:
    """More tokens than the accumulators or the score memory hold."""
    dims = Dims(height=64, width=64, layers=2)
    big = {
        "act_words": 4096,
        "kv_words": 1024,
        "residual_words": 1024,
        "program_depth": 1024,
        "fetch_depth": 1024,
    }
    hw = replace(load_config("nano"), **{**big, **limits})  # type: ignore[arg-type]
    bundle = assert_equal(random_model(dims), dims, hw, seeds=(0, 1))
    assert max(i.tokens for i in bundle.instructions if i.opcode.name == "GEMM") <= hw.acc_depth
    once = compile_model(random_model(dims), replace(hw, acc_depth=32, score_words=4096))
    assert len(bundle.weights) == len(once.weights)  # token blocks share their weights


@pytest.fixture(scope="module")
def tiny() -> ir.QuantModel:
    return random_model(TINY)


@pytest.mark.parametrize("hw", ["edge", "zcu104"])
def test_m3vit_tiny_sized_model(tiny: ir.QuantModel, hw: str) -> None:
    assert_equal(tiny, TINY, load_config(hw))


def test_jobs_do_not_influence_each_other() -> None:
    """The same job gives the same result after other tasks and images; a batch equals single runs."""
    model, hw = random_model(MICRO), load_config("nano")
    bundle = compile_model(model, hw)
    images = [random_image(MICRO, seed) for seed in range(3)]
    with open_device("reference", hw) as device:
        device.load(bundle)
        single = [device.run(i, task=t) for i, t in zip(images, ("task0", "task1", "task0"), strict=True)]
        batch = device.run_batch(images, ["task0", "task1", "task0"])
    for a, b in zip(single, batch, strict=True):
        assert a.features is None and list(a.outputs) == list(b.outputs)
        assert all((a.outputs[name] == b.outputs[name]).all() for name in a.outputs)


def test_only_results_are_written_unless_features_are_asked_for() -> None:
    bundle = compile_model(random_model(MICRO), load_config("nano"))
    with open_device("reference", "nano") as device:
        device.load(bundle)
        plain = device.run(random_image(MICRO), task="task0")
        with_features = device.run(random_image(MICRO), task="task0", features=True)
    assert plain.perf.bytes_written == bundle.tasks[0].output_bytes
    assert with_features.perf.bytes_written == bundle.tasks[0].output_bytes + bundle.features.output_bytes


def test_trace_rebuilds_the_memories() -> None:
    """Replaying the recorded writes in order gives the residual that the features report."""
    model, hw = random_model(MICRO), load_config("nano")
    bundle = compile_model(model, hw)
    trace = Trace()
    with IssDevice(hw) as device:
        device.load(bundle)
        image = random_image(MICRO)
        result = device.run_traced(image, task="task0", features=True, trace=trace)
    features_at = next(i for i, instruction in enumerate(bundle.instructions) if instruction.features_only)
    residual = np.zeros((hw.residual_words, hw.pn), np.int64)
    for record in trace.of(Memory.RESIDUAL):
        if record.instruction < features_at:
            for address, data in zip(record.address, record.data, strict=True):
                residual[address] = data
    base = bundle.instructions[features_at].src_base
    rows = residual[base : base + 9 * 8].reshape(9, 64).clip(-32768, 32767)
    assert result.raw_features is not None
    assert (rows == result.raw_features).all()
    executed = [record.instruction for record in trace.records]
    assert executed == sorted(executed)
    first = trace.records[0]  # the image: 16 patch rows of 6 beats, 8 lanes each
    assert len(first) == 2 * 16 * 4 * 6 and (first.lanes == 8).all()
    assert (first.data[0] == image.reshape(-1)[:8].astype(int) - 128).all()
    scores = trace.of(Memory.SCORE)[0]
    assert sorted(set(scores.lanes.tolist())) == [1, 8]  # nine keys: one full word, one lane


@pytest.mark.parametrize("name", ["nano", "edge", "zcu104"])
def test_counts_that_no_configuration_allows(name: str) -> None:
    """The same instructions as in tests/rtl/benches/bench_sequencer.py."""
    hw = load_config(name)
    for good in (*SMALLEST.values(), *limits(hw)):
        check_counts(good, hw)
    for bad in bad_counts(hw):
        with pytest.raises(ProgramError, match=rf"{bad.opcode.name}: \w+ \d+, must be \d+\.\.\d+"):
            check_counts(bad, hw)


@pytest.mark.usefixtures("unverified")
def test_a_bad_count_names_its_instruction() -> None:
    bundle = compile_model(random_model(MICRO), load_config("nano"))
    index = next(i for i, x in enumerate(bundle.instructions) if x.opcode is Opcode.LAYERNORM)
    instructions = list(bundle.instructions)
    instructions[index] = replace(instructions[index], tokens=0)
    with IssDevice(load_config("nano")) as device:
        device.load(replace(bundle, instructions=tuple(instructions)))
        with pytest.raises(ProgramError, match=rf"instruction {index}.*LAYERNORM: tokens 0, must be 1"):
            device.run(random_image(MICRO), task="task0")
