# SPDX-License-Identifier: Apache-2.0
"""A job of all tasks computes what a job of each would, every integer, and reads once what it shares."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from peritus.arch.config import HwConfig, load_config
from peritus.arch.isa import Dest, Opcode
from peritus.bundle import ALIGNMENT, TOGETHER, Bundle, BundleTaskError
from peritus.compiler import CapacityError, CompileError, compile_model
from peritus.ir.model_file import QuantModel
from peritus.ir.random_model import Dims, random_image, random_model
from peritus.runtime.errors import CallError
from peritus.runtime.iss.device import IssDevice
from peritus.verifier import ProgramRefused, verify_program

NANO = load_config("nano")
DIMS = Dims(layers=3, height=32, width=32)
SHAPES = {
    "two tasks": DIMS,
    "three tasks": replace(DIMS, task_channels=(3, 2), classes=5, height=16),
    "experts everywhere": replace(DIMS, moe_layers=(0, 1, 2)),
    "idle experts": replace(DIMS, routing="idle"),
    "one expert, alike gates": replace(DIMS, experts=1, top_k=1),
    "no experts": replace(DIMS, moe_layers=()),
    "a class token too many": replace(DIMS, prefix=2),
}


def both(dims: Dims, hw: HwConfig = NANO) -> Bundle:
    return compile_model(random_model(dims, seed=5), hw, together=True)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("hw", ["nano", "zcu104"])
def test_same_maps(shape: str, hw: str) -> None:
    dims = SHAPES[shape]
    bundle = both(dims, load_config(hw))
    with IssDevice(bundle.hw) as device:
        device.load(bundle)
        device.run(random_image(dims), task=bundle.tasks[0].name)  # the first one reads what stays on chip
        for seed in range(2):
            image = random_image(dims, seed)
            result = device.run(image, task=TOGETHER)
            assert [part.task for part in result.by_task()] == list(bundle.tasks)
            read = 0
            for part in result.by_task():
                alone = device.run(image, task=part.task.name)
                assert part.outputs.keys() == alone.outputs.keys() and alone.by_task() == (alone,)
                assert np.array_equal(part.dequantized(), alone.dequantized())
                assert part.perf is result.perf
                read = max(read, alone.perf.bytes_read)
            assert result.perf.bytes_read < 1.6 * read, "shared weights are read twice"


def test_what_is_shared() -> None:
    """Up to the first gates: one instruction for all jobs. Behind them copies, and one job's weights."""
    bundle = both(DIMS)
    job = 1 << len(bundle.tasks)
    copies = [i for i in bundle.instructions if i.opcode is Opcode.COPY]
    assert [i.task_mask for i in copies] == [job]
    before = bundle.instructions[: bundle.instructions.index(copies[0])]
    assert sum(bool(i.task_mask & job) for i in before) == sum(i.task_mask & job == job for i in before)
    gates = [i for i in bundle.instructions if i.dst is Dest.ROUTER and i.task_mask == job]
    tokens = bundle.features.tokens
    assert [(g.dst_base, g.tokens, g.sync) for g in gates] == [(0, tokens, 0), (tokens, tokens, 1)] * (
        len(gates) // 2
    )
    alone = compile_model(random_model(DIMS, seed=5), NANO)
    assert len(bundle.weights) == len(alone.weights)
    assert bundle.job_macs(len(bundle.tasks)) < sum(task.macs for task in bundle.tasks)


def test_without_experts_nothing_is_copied() -> None:
    bundle = both(SHAPES["no experts"])
    assert not any(i.opcode is Opcode.COPY for i in bundle.instructions)
    alone = compile_model(random_model(SHAPES["no experts"], seed=5), NANO)
    heads = 2 * len(bundle.tasks)  # and their stores
    assert len(bundle.instructions) == len(alone.instructions) + heads


def test_kept_in_a_file() -> None:
    bundle = both(DIMS)
    again = Bundle.from_bytes(bundle.to_bytes())
    assert again.jobs == 3 and again.job_name(2) == TOGETHER and again.together == bundle.together
    assert again.job_bytes(2) == sum(task.output_bytes for task in bundle.tasks)  # no gaps at these sizes
    assert again.output_bytes >= again.job_bytes(2)


def test_maps_begin_where_a_guard_lets_a_burst_begin() -> None:
    bundle = both(replace(DIMS, height=12, width=12, patch=4, d=16, heads=1, upscale=1, task_channels=(1, 8)))
    first, second = bundle.job_maps(2).values()
    assert bundle.tasks[0].output_bytes % ALIGNMENT and second.start % ALIGNMENT == 0
    assert first.start == 0 and first.stop < second.start and second.stop == bundle.job_bytes(2)
    job = 1 << len(bundle.tasks)
    stores = [i for i in bundle.instructions if i.opcode is Opcode.STORE and i.task_mask == job]
    assert [i.imm for i in stores] == [first.start, second.start]


def test_features_are_of_one_task() -> None:
    bundle = both(DIMS)
    with IssDevice(NANO) as device:
        device.load(bundle)
        with pytest.raises(CallError, match="no features"):
            device.run(random_image(DIMS), task=TOGETHER, features=True)


def test_not_compiled() -> None:
    bundle = compile_model(random_model(DIMS, seed=5), NANO)
    with pytest.raises(BundleTaskError, match="peritus compile --together"):
        bundle.task_index(TOGETHER)


def test_not_possible() -> None:
    one = random_model(replace(DIMS, task_channels=(3,)))
    with pytest.raises(CompileError, match="there is only task0"):
        compile_model(one, NANO, together=True)
    named = random_model(DIMS)
    graph = named.graph
    tasks = (replace(graph.tasks[0], name=TOGETHER), *graph.tasks[1:])
    nodes = tuple(
        replace(node, task=TOGETHER) if getattr(node, "task", None) == graph.tasks[0].name else node
        for node in graph.nodes
    )
    with pytest.raises(CompileError, match="which is that job's"):
        compile_model(
            QuantModel(named.name, replace(graph, tasks=tasks, nodes=nodes), named.provenance),
            NANO,
            together=True,
        )
    with pytest.raises(
        CapacityError, match="acc_depth with a job of all tasks needs 34 tokens, there are 32"
    ):
        both(replace(DIMS, width=64, height=64), replace(NANO, acc_depth=32, kv_words=4096, act_words=4096))


def _changed(bundle: Bundle, index: int, **fields: int) -> Bundle:
    program = list(bundle.instructions)
    program[index] = replace(program[index], **fields)  # type: ignore[arg-type]
    return replace(bundle, instructions=tuple(program))


def test_verified() -> None:
    """What the verifier proves of the job holds; what breaks it is refused."""
    bundle = both(DIMS)
    verify_program(bundle)
    job = 1 << len(bundle.tasks)
    code = bundle.instructions
    copy = next(n for n, i in enumerate(code) if i.opcode is Opcode.COPY)
    second = next(n for n, i in enumerate(code) if i.dst is Dest.ROUTER and i.task_mask == job and i.dst_base)
    norm = next(n for n, i in enumerate(code) if i.opcode is Opcode.LAYERNORM and i.keys)
    for index, fields, message in (
        (copy, {"dst_base": code[copy].src_base + 1}, "reads itself"),
        (copy, {"src_base": 65535}, "residual memory has"),
        (copy, {"tokens": 1}, "has not written"),
        (second, {"dst_base": code[second].dst_base - 1}, "come behind"),
        (second, {"width": code[second].width - 1}, "come behind"),
        (second, {"sync": 0}, "at work"),
        (second, {"dst_base": NANO.acc_depth - 1}, "tokens is"),
        (norm, {"keys": code[norm].keys + 1}, "unread rows, at most"),
        (norm, {"keys": code[norm].tokens}, "keys is"),
    ):
        with pytest.raises(ProgramRefused, match=message):
            verify_program(_changed(bundle, index, **fields))
