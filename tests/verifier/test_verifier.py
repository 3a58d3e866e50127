# SPDX-License-Identifier: Apache-2.0
"""Every rule refuses what breaks it, and no program of the compiler is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from peritus.arch.config import HwConfig, load_config
from peritus.arch.isa import Dest, Function, Instruction, Opcode, Scale2, StatSource, StreamSource
from peritus.arch.params import PARAM_BLOCK_WORDS
from peritus.bundle import Bundle
from peritus.bundle.disassemble import uses_weight_stream
from peritus.compiler import compile_model
from peritus.ir.random_model import Dims, random_model
from peritus.runtime.iss.device import IssDevice
from peritus.runtime.rtl.device import RtlDevice
from peritus.verifier import ProgramRefused, verify_program
from tests.verifier import hostile

NANO = load_config("nano")
SHAPES = {
    "plain": hostile.SMALL,
    "odd": hostile.ODD,
    "no experts": replace(hostile.SMALL, moe_layers=()),
    "all experts": replace(hostile.SMALL, layers=3, moe_layers=(0, 1, 2), experts=4, top_k=2),
    "narrow heads": replace(hostile.SMALL, d=48, heads=12),
    "blocks of tokens": Dims(height=24, width=24, patch=4, d=16, heads=1, layers=2, hidden=16, upscale=1),
    "patch of 14": replace(hostile.SMALL, patch=14, height=28, width=42, prefix=5),
    "grey": replace(hostile.SMALL, channels=1),
}


@cache
def compiled(shape: str = "plain", hw: HwConfig = NANO) -> Bundle:
    return compile_model(random_model(SHAPES[shape], seed=3), hw)


@pytest.mark.parametrize("hw", ["nano", "edge", "zcu104", "zcu104_vit"])
@pytest.mark.parametrize("shape", SHAPES)
def test_what_the_compiler_writes(shape: str, hw: str) -> None:
    verify_program(compiled(shape, load_config(hw)))


def first(bundle: Bundle, wanted: Callable[[Instruction], bool]) -> int:
    return next(index for index, i in enumerate(bundle.instructions) if wanted(i))


def changed(index: int, **values: Any) -> Bundle:
    bundle = compiled()
    program = list(bundle.instructions)
    program[index] = replace(program[index], **values)
    return replace(bundle, instructions=tuple(program))


def breaches() -> Iterator[tuple[str, str, Bundle]]:
    """(rule, part of the message, a program that breaks it)."""
    b = compiled()
    code = b.instructions
    gemm = first(b, lambda i: i.opcode is Opcode.GEMM and i.dst is Dest.ACT)
    scores = first(b, lambda i: i.dst is Dest.SCORES)
    values = first(b, lambda i: i.stream_src is StreamSource.SCORES)
    gate = first(b, lambda i: i.dst is Dest.ROUTER)
    hidden = first(b, lambda i: i.stream_src is StreamSource.ACT_GATHER)
    output = first(b, lambda i: bool(i.scatter))
    norm = first(b, lambda i: i.opcode is Opcode.LAYERNORM)
    load = first(b, lambda i: i.opcode is Opcode.LOAD_IMAGE)
    store = first(b, lambda i: i.opcode is Opcode.STORE and not i.features_only)
    init = first(b, lambda i: i.opcode is Opcode.RES_INIT)
    keys = first(b, lambda i: i.dst is Dest.KV)
    waiting = first(b, lambda i: bool(i.wait_stream) and i.stream_src is StreamSource.SCORES)

    yield "capacity", "holds 256", replace(b, instructions=code * 40, labels=b.labels * 40)
    yield "end", "does not end", replace(b, instructions=code[:-1])
    yield "end", "before the last", replace(b, instructions=(code[-1], *code), labels=("end", *b.labels))
    yield "modes", "no GEMM streams SCORES", changed(gemm, stream_src=StreamSource.SCORES)
    yield "modes", "stage 2 RECIP", changed(gemm, scale2=Scale2.RECIP)
    yield "field", "has no such field", changed(gemm, top_k=1)
    yield "field", "features_only is 1", changed(gemm, features_only=1)
    yield "field", "fn is", changed(scores, fn=Function.GELU)
    yield "count", "tokens is 0", changed(gemm, tokens=0)
    yield "count", "tokens is 4095", changed(gemm, tokens=4095)
    yield "count", "n_tiles is", changed(scores, keys=1)
    yield "count", "width is 0", changed(gate, width=0)
    yield "count", "top_k is 4", changed(gate, top_k=4)
    yield "count", "imm_shift is 48", changed(scores, imm_shift=48)
    yield "count", "shift2 is 25", changed(values, shift2=25)
    yield "address", "the act memory has", changed(gemm, src_base=(1 << 20) - 1)
    yield "address", "the act memory has", changed(gemm, dst_base=(1 << 16) - 1)
    yield "address", "the kv memory has", changed(scores, stat_stride=4095)
    yield "address", "the residual memory has", changed(norm, src_stride=4095)
    yield "address", "image bytes", changed(load, keys=4095, k_tiles=255, tokens=4095, n_tiles=255)
    yield "address", "the output of task", changed(store, imm=1 << 31)
    yield "address", "multiple of 64", changed(store, imm=NANO.axi_data_bytes)
    yield "overlap", "its rows have", changed(gemm, dst_stride=0)
    source = code[gemm].src_base // NANO.slices
    yield "overlap", "reads itself", changed(gemm, dst_base=source)
    yield "gate", "the gate has 3", changed(hidden, expert=3)
    two = (*code[: gate + 1], code[gate], *code[gate + 1 :])
    fetch = sum(map(uses_weight_stream, code[:gate]))
    fetches = (*b.fetches[: fetch + 1], b.fetches[fetch], *b.fetches[fetch + 1 :])
    labels = (*b.labels[: gate + 1], "again", *b.labels[gate + 1 :])
    yield "gate", "at work", replace(b, instructions=two, fetches=fetches, labels=labels)
    yield (
        "residual",
        "a second time",
        replace(
            b,
            instructions=(*code[: output + 1], code[output], *code[output + 1 :]),
            labels=(*b.labels[: output + 1], "again", *b.labels[output + 1 :]),
            fetches=_doubled(b, output),
        ),
    )
    yield "segment", "no segment left", replace(b, fetches=b.fetches[:-1])
    yield "segment", "left over", replace(b, fetches=(*b.fetches, b.fetches[-1]))
    yield "segment", "it consumes", replace(b, fetches=(replace(b.fetches[0], stripes=9999), *b.fetches[1:]))
    yield (
        "segment",
        "weight bytes",
        replace(b, fetches=(replace(b.fetches[0], offset=1 << 20), *b.fetches[1:])),
    )
    yield "segment", "of expert", replace(b, fetches=(replace(b.fetches[0], expert_valid=1), *b.fetches[1:]))
    yield "segment", "imm says", changed(hidden, imm=code[hidden].imm + 1)
    yield "weight", "a weight is -128", _with_bytes(b, 0, 0x80)
    tiles = (code[first(b, lambda i: i.opcode is Opcode.GEMM)].k_tiles - 1) * NANO.pk * NANO.pn
    shifts = tiles + (PARAM_BLOCK_WORDS - 1) * NANO.weight_word_bytes
    for shift in (0, 48, 255):
        yield "shift", f"stage 1 is {shift}, must be 1..47", _with_bytes(b, shifts, shift)
    yield "accumulator", "a sum may reach", _with_bytes(b, tiles, 0, 0, 0, 0x40)
    yield (
        "undefined",
        "has not written",
        replace(
            b,
            instructions=(*code[:load], *code[load + 1 :]),
            labels=(*b.labels[:load], *b.labels[load + 1 :]),
        ),
    )
    yield "undefined", "has not written", changed(keys, dst_base=code[keys].dst_base + 1)
    yield "scores", "scores written last", changed(values, keys=code[values].keys - 1)
    yield "scores", "must be", changed(values, src_base=code[values].src_base + 1)
    yield "hazard", "set wait_stream", changed(waiting, wait_stream=0)
    yield "output", "is never written", changed(store, task_mask=0)
    yield "padding", "from its width", changed(norm, width=code[norm].width - 1)
    assert code[init].opcode is Opcode.RES_INIT


def _doubled(b: Bundle, index: int) -> tuple[Any, ...]:
    position = sum(map(uses_weight_stream, b.instructions[:index]))
    return (*b.fetches[: position + 1], b.fetches[position], *b.fetches[position + 1 :])


def _with_bytes(b: Bundle, place: int, *values: int) -> Bundle:
    """Bytes in the segment of the first GEMM."""
    gemm = first(b, lambda i: i.opcode is Opcode.GEMM)
    entry = b.fetches[sum(map(uses_weight_stream, b.instructions[:gemm]))]
    weights = b.weights.copy()
    start = entry.offset * NANO.stripe_bytes + place
    weights[start : start + len(values)] = values
    return replace(b, weights=weights)


@pytest.mark.parametrize(
    ("rule", "text", "bundle"), list(breaches()), ids=lambda v: v if isinstance(v, str) else ""
)
def test_what_breaks_a_rule(rule: str, text: str, bundle: Bundle) -> None:
    with pytest.raises(ProgramRefused, match=text) as caught:
        verify_program(bundle)
    assert caught.value.rule == rule
    with IssDevice(NANO) as device:
        device.load(compiled())
        with pytest.raises(ProgramRefused):
            device.load(bundle)
        device.run(np.zeros(compiled().frame.shape, np.uint8), task="task0")  # what was loaded stays


def test_idle_experts_take_no_time() -> None:
    """A result that is read behind an expert's passes only: there may be none, if its queue is empty."""
    bundle = compiled()
    code, fetches = list(bundle.instructions), list(bundle.fetches)

    def named(text: str) -> int:
        return bundle.labels.index(text)

    def fetch(index: int) -> Any:
        return fetches[sum(map(uses_weight_stream, bundle.instructions[:index]))]

    expert = next(n for n, i in enumerate(code) if i.stream_src is StreamSource.ACT_GATHER and i.expert == 1)
    added = [named("q_1"), expert, named("k_1")]
    last = max(n for n, i in enumerate(code) if i.scatter) + 1
    place = sum(map(uses_weight_stream, code[:last]))
    extra = [replace(code[n], sync=0, wait_stream=0) for n in added]
    fresh = NANO.act_words - 100  # no other value lies there
    extra[0] = replace(extra[0], dst_base=fresh)
    extra[2] = replace(extra[2], src_base=fresh * NANO.slices)
    for reader, accepted in ((extra[2], False), (replace(extra[2], wait_stream=1), True)):
        changed = replace(
            bundle,
            instructions=(*code[:last], *extra[:2], reader, *code[last:]),
            fetches=(*fetches[:place], *map(fetch, added), *fetches[place:]),
            labels=(*bundle.labels[:last], "a", "b", "c", *bundle.labels[last:]),
        )
        if accepted:
            verify_program(changed)
        else:
            with pytest.raises(ProgramRefused, match=r"\(c\): its source may come .* set wait_stream"):
                verify_program(changed)


def test_rows_of_a_queue_are_their_experts() -> None:
    """An expert's queue may be empty: what it would have written is nobody else's to read."""
    bundle = compiled()
    code = list(bundle.instructions)
    hidden = [n for n, i in enumerate(code) if i.stream_src is StreamSource.ACT_GATHER][:2]
    output = [n for n, i in enumerate(code) if i.scatter][:2]
    fresh = NANO.act_words - 100  # no other value lies there
    code[hidden[0]] = replace(code[hidden[0]], dst_base=fresh)
    code[output[0]] = replace(code[output[0]], src_base=fresh * NANO.slices)
    verify_program(replace(bundle, instructions=tuple(code)))
    code[output[1]] = replace(code[output[1]], src_base=fresh * NANO.slices)
    with pytest.raises(ProgramRefused, match=rf"reads word {fresh} .* has not written"):
        verify_program(replace(bundle, instructions=tuple(code)))


@pytest.mark.sim
def test_hostile_programs() -> None:
    """Refused, or the same integers on the RTL; a few hundred of those of `make fuzz-programs`."""
    bundles = hostile.starts()
    found = []
    with RtlDevice(NANO, limit=hostile.LIMIT) as rtl, IssDevice(NANO) as iss:
        for seed in range(300):
            _, bundle = hostile.hostile(bundles[seed % len(bundles)], seed)
            found.append(hostile.judge(bundle, rtl, iss, seed))
    assert found.count("same") > 50  # it does not refuse everything
    assert len(set(found)) > 8


# --- weights that stay on chip ---

KEEPING = replace(NANO, name="keeping", resident_words=400)


def kept(**values: Any) -> Bundle:
    """A program with KEEP, which is its first instruction, changed there."""
    bundle = compiled("plain", KEEPING)
    assert bundle.instructions[0].opcode is Opcode.KEEP
    program = (replace(bundle.instructions[0], **values), *bundle.instructions[1:])
    return replace(bundle, instructions=program)


def test_what_the_compiler_keeps() -> None:
    verify_program(kept())
    assert any(i.stat_src is StatSource.RESIDENT for i in kept().instructions)
    assert sum(entry.cold_only for entry in kept().fetches) == 1


@pytest.mark.parametrize(
    ("values", "rule", "message"),
    [
        ({"cold_only": 0}, "resident", "must be the first one, for every task, of the first job only"),
        ({"task_mask": 1}, "resident", "must be the first one, for every task, of the first job only"),
        ({"dst_base": 1}, "resident", "its words must lie one after the other from 0 on"),
        ({"tokens": 51}, "segment", "it consumes"),
    ],
)
def test_keeping_is_refused(values: dict[str, int], rule: str, message: str) -> None:
    with pytest.raises(ProgramRefused, match=message) as caught:
        verify_program(kept(**values))
    assert caught.value.rule == rule


def test_what_is_kept_is_read_within_it() -> None:
    bundle = kept()
    program = list(bundle.instructions)
    last = max(n for n, i in enumerate(program) if i.stat_src is StatSource.RESIDENT)
    program[last] = replace(program[last], stat_base=program[last].stat_base + KEEPING.resident_words)
    with pytest.raises(ProgramRefused, match=r"reads \d+ resident words, the program keeps \d+"):
        verify_program(replace(bundle, instructions=tuple(program)))
    without = replace(bundle, instructions=bundle.instructions[1:], fetches=bundle.fetches[1:])
    without = replace(without, labels=bundle.labels[1:])
    with pytest.raises(ProgramRefused, match="the program keeps 0"):
        verify_program(without)


def test_no_resident_memory_no_keep() -> None:
    bundle = replace(kept(), hw=NANO)
    with pytest.raises(ProgramRefused, match="the resident memory has 0"):
        verify_program(bundle)
