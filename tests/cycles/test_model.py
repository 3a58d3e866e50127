# SPDX-License-Identifier: Apache-2.0
"""The cycle model by itself: it adds up, and knows what it was not told."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import accumulate, pairwise
from typing import Any

import pytest

import peritus
from peritus.arch.config import load_config
from peritus.arch.isa import Opcode
from peritus.bundle import Bundle
from peritus.compiler import compile_model
from peritus.cycles import CycleError, even_routing, predict, routing_of
from peritus.cycles.ddr import Ddr, Draws
from peritus.cycles.fetch import READER_BURSTS, Fetch
from peritus.cycles.sequencer import LOAD_QUEUE, STREAM_QUEUE
from peritus.cycles.units import WRITER_BURSTS
from peritus.ir import execute
from peritus.ir.random_model import Dims, random_image, random_model
from peritus.reference import Routing
from peritus.resources import resource
from peritus.runtime.rtl.simulation import DdrParameters
from peritus.runtime.timeline import Cause

NANO = load_config("nano")


@pytest.fixture(scope="module")
def micro() -> Bundle:
    return peritus.compile(peritus.load_model("m3vit_micro"), hw=NANO)


def test_a_frame_adds_up(micro: Bundle) -> None:
    for features in (False, True):
        timeline = predict(micro, "depth", even_routing(micro, "depth"), features=features).timeline
        assert all(start < end for start, end in pairwise((0, *timeline.ends)))
        assert sum(timeline.causes().values()) == timeline.cycles
        rows = timeline.rows()
        assert [row.start for row in rows] == sorted(row.start for row in rows)
        assert all(row.causes.total() == row.end - row.start for row in rows)


def test_the_array_works_as_often_as_the_program_says(micro: Bundle) -> None:
    routing = even_routing(micro, "semseg")
    busy = predict(micro, "semseg", routing).timeline.causes()[Cause.ARRAY]
    rows, counts, left = 0, (), list(routing)
    for i in micro.instructions:
        if i.opcode is Opcode.GEMM and i.task_mask & 1 and not i.features_only:
            rows += i.k_tiles * i.n_tiles * (counts[i.expert] if i.expert_valid else i.tokens)
            if i.dst.name == "ROUTER":
                counts = left.pop(0)
    assert busy == rows


def test_routing_is_what_the_graph_routes() -> None:
    dims = replace(Dims(), routing="skewed")
    model = random_model(dims)
    bundle, image = compile_model(model, NANO), random_image(dims)
    for task in bundle.tasks:
        found = routing_of(bundle, image, task.name)
        values = execute(model.graph, image, task.name, keep_values=True).values
        chosen = [value.experts for value in values.values() if isinstance(value, Routing)]
        expected = [[int((experts == e).sum()) for e in range(dims.experts)] for experts in chosen]
        assert [list(row) for row in found] == expected


def test_more_bandwidth_is_never_slower(micro: Bundle) -> None:
    routing = even_routing(micro, "semseg")
    frames = [
        predict(micro, "semseg", routing, ddr=DdrParameters(bytes_per_cycle=bandwidth)).cycles
        for bandwidth in (1.0, 2.0, 4.0, 8.0, 64.0)
    ]
    assert frames == sorted(frames, reverse=True) and frames[0] > 3 * frames[-1]


def test_a_slow_port_gets_fewer_stripes() -> None:
    """They go to whichever port is free: what counts is what all bring together, where most are weights.

    Bursts of the image go round the ports, and its last waits for a slow one: 8 % of a frame of m3vit_micro.
    """
    bundle = peritus.compile(peritus.load_model("m3vit_tiny_int4"), hw=load_config("zcu104"))
    routing = even_routing(bundle, "semseg")
    plain, equal, one, pair = (
        predict(bundle, "semseg", routing, ddr=ddr).cycles
        for ddr in (
            DdrParameters(),
            DdrParameters(port_bytes_per_cycle=(3.5,) * 4),
            DdrParameters(port_bytes_per_cycle=(4.0, 4.0, 4.0, 2.0)),
            DdrParameters(
                port_bytes_per_cycle=(5.0, 16.0, 16.0, 5.0), shared=((1, 2),), shared_bytes_per_cycle=4.0
            ),
        )
    )
    assert plain < one and one == pytest.approx(equal, rel=0.01) and pair == pytest.approx(equal, rel=0.01)


def test_idle_experts_cost_less(micro: Bundle) -> None:
    even = even_routing(micro, "semseg")
    one = tuple((sum(row), *(0 for _ in row[1:])) for row in even)
    all_read, less_read = (predict(micro, "semseg", routing) for routing in (even, one))
    assert less_read.weight_bytes <= all_read.weight_bytes
    assert less_read.cycles < all_read.cycles


@pytest.mark.parametrize(
    "memory",
    [
        {},
        {"bytes_per_cycle": 84.0},
        {"read_latency": 300},
        {"outstanding": 3},
        {"port_bytes_per_cycle": (6.0, 12.0, 12.0, 3.0)},
        {"shared": ((1, 2),), "shared_bytes_per_cycle": 16.0},
        {"refresh_period": 200, "refresh_cycles": 30},
        {"jitter": 9, "seed": 3},
        {"stall": 0.25},
    ],
    ids=lambda memory: next(iter(memory), "as_configured"),
)
@pytest.mark.parametrize("freed", [False, True])
def test_one_request_after_the_other_is_the_same_as_many(memory: dict[str, Any], freed: bool) -> None:
    """Fetch.reach says once more, for speed, what request_time, passed, free and accept say one by one.

    freed: of a ring of 16 stripes, each is popped 40 cycles after its last beat.
    """
    hw = load_config("zcu104")
    bundle = peritus.compile(peritus.load_model("m3vit_micro"), hw=hw)
    parameters = replace(DdrParameters.of(hw.ddr), **memory)
    many, single = (
        Fetch(hw, Ddr(hw, parameters, len(bundle.program), 0), bundle.fetches, 0, False) for _ in range(2)
    )
    count = many.left
    if freed:
        many.ring = single.ring = 16
        while not many.reach(count - 1):
            assert len(many.freed) < len(many.last), "no room, for there was nothing to pop"
            pops = [last + 40 for last in many.last[len(many.freed) :]]
            many.freed += accumulate(pops, max)
        single.freed = many.freed
    else:
        many.reach(count - 1)
    for stripe in range(count):
        request = single.request_time()
        assert request is not None
        reached = single.passed(request)
        passed, port = min(
            ((max(reached, single.free(p)), p) for p in single.turn), key=lambda found: found[0]
        )
        mine = single.on[port]
        behind = single.last[mine[-parameters.outstanding]] if len(mine) >= parameters.outstanding else 0.0
        before = single.last[mine[-1]] if mine else 0.0
        single.accept(request, passed, max(passed, behind) + 1 + single.ddr.stall, port)
        single.last.append(single.ddr.data(single.due[stripe], port, before, single.left + 1))
    assert count > 300 and many.port == single.port
    assert many.address == single.address and many.last == single.last and many.left == single.left


def test_numbers_are_drawn_as_the_simulation_draws_them() -> None:
    """The first of sim/fifo.hpp's Random(9), % 61."""
    draws = Draws(9)
    assert [draws.below(61) for _ in range(6)] == [41, 23, 3, 27, 41, 41]


def test_what_cannot_be_timed_is_named(micro: Bundle) -> None:
    with pytest.raises(CycleError, match="no count for expert 0"):
        predict(micro, "semseg", ())
    with pytest.raises(CycleError, match="has no END"):
        predict(replace(micro, instructions=micro.instructions[:-1]), "semseg", even_routing(micro, "semseg"))
    with pytest.raises(CycleError, match=r"stripe \d+ is to be popped, the task's fetch table has \d+"):
        predict(replace(micro, fetches=micro.fetches[:3]), "semseg", even_routing(micro, "semseg"))
    never = DdrParameters(refresh_period=10, refresh_cycles=10)
    with pytest.raises(CycleError, match="refresh_cycles = 10, must be below"):
        predict(micro, "semseg", even_routing(micro, "semseg"), ddr=never)


@pytest.mark.parametrize(
    ("file", "pattern", "value"),
    [
        ("rtl/memory/peritus_axi_reader.sv", r"MaxBursts = (\d+)", READER_BURSTS),
        ("rtl/memory/peritus_axi_writer.sv", r"MaxBursts = (\d+)", WRITER_BURSTS),
        ("rtl/peritus_core.sv", r"\.Depth\((\d+)\)\n  \) u_load_queue", LOAD_QUEUE),
        ("rtl/peritus_core.sv", r"\.Depth\((\d+)\)\n  \) u_stream_queue", STREAM_QUEUE),
    ],
)
def test_depths_are_those_of_the_rtl(file: str, pattern: str, value: int) -> None:
    assert [int(number) for number in re.findall(pattern, resource(file).read_text())] == [value]
