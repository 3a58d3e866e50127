# SPDX-License-Identifier: Apache-2.0
"""Programs that no compiler would write: refused by name, or the same on every device.

    python -m tests.verifier.hostile --count 1000        # make fuzz-programs

Each is a compiled program with one to three random changes of a random kind. What the verifier accepts runs
on the instruction set simulator and on the RTL, whose memories still hold what the program before left there:
every integer of every task must be equal. Prints how many were refused, and by which rule.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from peritus.arch.config import load_config
from peritus.arch.isa import EXEC_FIELDS, FETCH_FIELDS, FetchEntry, Instruction
from peritus.bundle import Bundle
from peritus.compiler import compile_model
from peritus.errors import PeritusError
from peritus.ir.random_model import Dims, random_model
from peritus.report import same_result
from peritus.runtime.driver.platform import Limit
from peritus.runtime.iss.device import IssDevice
from peritus.runtime.rtl.device import RtlDevice
from peritus.verifier import ProgramRefused, verify_program

HW = load_config("nano")
LIMIT = Limit(seconds=60, cycles=400_000)
SMALL = Dims(
    height=16, width=48, patch=8, d=24, heads=2, layers=2, hidden=40, experts=3, expert_hidden=24, upscale=2,
    task_channels=(3, 1),
)  # fmt: skip
ODD = replace(SMALL, patch=4, height=8, width=24, prefix=2, layers=1, moe_layers=(0,), classes=5)
WIDTHS = {field.name: field.bits for field in EXEC_FIELDS}
ENUMS = {field.name: list(field.enum) for field in EXEC_FIELDS if field.enum}
FETCH_WIDTHS = {field.name: field.bits for field in FETCH_FIELDS}
Program = tuple[list[Instruction], list[FetchEntry], np.ndarray[tuple[int], np.dtype[np.uint8]]]


def _number(rng: random.Random, value: int, bits: int) -> int:
    top = (1 << bits) - 1
    found = rng.choice(
        [
            value + 1,
            value - 1,
            value * 2,
            value // 2,
            0,
            1,
            top,
            rng.randrange(top + 1),
            value ^ 1 << rng.randrange(bits),
        ]
    )
    return min(max(found, 0), top)


def _set(program: Program, index: int, **values: object) -> None:
    program[0][index] = replace(program[0][index], **values)  # type: ignore[arg-type]


def field_value(program: Program, rng: random.Random) -> None:
    index = rng.randrange(len(program[0]))
    name = rng.choice([n for n in WIDTHS if n not in ENUMS])
    _set(program, index, **{name: _number(rng, int(getattr(program[0][index], name)), WIDTHS[name])})


def field_in_use(program: Program, rng: random.Random) -> None:
    index = rng.randrange(len(program[0]))
    used = [n for n in WIDTHS if n not in ENUMS and getattr(program[0][index], n)]
    name = rng.choice(used)
    _set(program, index, **{name: _number(rng, int(getattr(program[0][index], name)), WIDTHS[name])})


def mode(program: Program, rng: random.Random) -> None:
    name = rng.choice(list(ENUMS))
    _set(program, rng.randrange(len(program[0])), **{name: rng.choice(ENUMS[name])})


def waiting(program: Program, rng: random.Random) -> None:
    found = [n for n, i in enumerate(program[0]) if i.sync or i.wait_stream]
    index = rng.choice(found) if rng.random() < 0.7 else rng.randrange(len(program[0]))
    _set(program, index, sync=rng.randrange(2), wait_stream=rng.randrange(2))


def field_of_another(program: Program, rng: random.Random) -> None:
    one, other = (rng.randrange(len(program[0])) for _ in range(2))
    name = rng.choice(list(WIDTHS))
    _set(program, one, **{name: getattr(program[0][other], name)})


def base(program: Program, rng: random.Random) -> None:
    """An address a little beside, where another value lies."""
    index = rng.randrange(len(program[0]))
    name = rng.choice(["src_base", "dst_base", "stat_base", "src_stride", "dst_stride", "stat_stride"])
    value = getattr(program[0][index], name) + rng.randrange(-40, 40)
    _set(program, index, **{name: min(max(value, 0), (1 << WIDTHS[name]) - 1)})


def exchanged(program: Program, rng: random.Random) -> None:
    one = rng.randrange(len(program[0]) - 1)
    other = one + 1 if rng.random() < 0.6 else rng.randrange(len(program[0]))
    program[0][one], program[0][other] = program[0][other], program[0][one]


def removed(program: Program, rng: random.Random) -> None:
    del program[0][rng.randrange(len(program[0]))]


def doubled(program: Program, rng: random.Random) -> None:
    index = rng.randrange(len(program[0]))
    program[0].insert(rng.randrange(len(program[0])) if rng.random() < 0.3 else index, program[0][index])


def task_mask(program: Program, rng: random.Random) -> None:
    _set(program, rng.randrange(len(program[0])), task_mask=rng.choice([0, 1, 2, 3, 0xFFFE, 0xFFFF]))


def fetch_value(program: Program, rng: random.Random) -> None:
    index, name = rng.randrange(len(program[1])), rng.choice(list(FETCH_WIDTHS))
    value = _number(rng, int(getattr(program[1][index], name)), FETCH_WIDTHS[name])
    program[1][index] = replace(program[1][index], **{name: value})


def fetch_exchanged(program: Program, rng: random.Random) -> None:
    one, other = (rng.randrange(len(program[1])) for _ in range(2))
    program[1][one], program[1][other] = program[1][other], program[1][one]


def fetch_removed(program: Program, rng: random.Random) -> None:
    del program[1][rng.randrange(len(program[1]))]


def weights_random(program: Program, rng: random.Random) -> None:
    """Weights, biases, multipliers and shifts of anything."""
    first = rng.randrange(len(program[2]))
    part = program[2][first : first + rng.choice([1, 8, 64, 4096])]
    part[:] = np.random.default_rng(rng.randrange(1 << 30)).integers(0, 256, len(part), dtype=np.uint8)


def weights_extreme(program: Program, rng: random.Random) -> None:
    first = rng.randrange(len(program[2]))
    program[2][first : first + rng.choice([1, 8, 64, 4096])] = rng.choice([0, 0x7F, 0x80, 0x81, 0xFF, 1, 47])


KINDS: tuple[Callable[[Program, random.Random], None], ...] = (
    *(field_value, field_in_use, mode, waiting, field_of_another, base, exchanged, removed, doubled),
    *(task_mask, fetch_value, fetch_exchanged, fetch_removed, weights_random, weights_extreme),
)


def starts() -> list[Bundle]:
    """The compiled programs that are changed."""
    return [compile_model(random_model(dims, seed=7), HW) for dims in (SMALL, ODD)]


def hostile(start: Bundle, seed: int) -> tuple[str, Bundle]:
    """Kinds of the changes, and the changed bundle."""
    rng = random.Random(seed)
    program: Program = (list(start.instructions), list(start.fetches), start.weights.copy())
    kinds = [KINDS[seed % len(KINDS)], *rng.choices(KINDS, k=rng.choice([0, 0, 0, 1, 2]))]
    for kind in kinds:
        if program[0] and program[1]:
            kind(program, rng)
    labels = tuple(f"changed {n}" for n in range(len(program[0])))
    changed = replace(
        start, instructions=tuple(program[0]), fetches=tuple(program[1]), weights=program[2], labels=labels
    )
    return "+".join(kind.__name__ for kind in kinds), changed


def judge(bundle: Bundle, rtl: RtlDevice, iss: IssDevice, seed: int) -> str:
    """ "refused: RULE", or "same"; AssertionError or a device's error if devices do not agree."""
    try:
        verify_program(bundle)
    except ProgramRefused as error:
        return f"refused: {error.rule}"
    image = np.random.default_rng(seed).integers(0, 256, bundle.frame.shape, dtype=np.uint8)
    iss.load(bundle)
    rtl.load(bundle)
    names = [task.name for task in bundle.tasks]
    for features in (True, False):
        found, expected = (d.run_batch([image] * len(names), names, features=features) for d in (rtl, iss))
        for one, other in zip(found, expected, strict=True):
            assert same_result(one, other), f"task {one.task.name}, features {features}: other integers"
    return "same"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--start", type=int, default=0)
    options = parser.parse_args()
    counts: Counter[str] = Counter()
    bad = 0
    bundles = starts()
    with RtlDevice(HW, limit=LIMIT) as rtl, IssDevice(HW) as iss:
        for seed in range(options.start, options.start + options.count):
            kind, bundle = hostile(bundles[seed % len(bundles)], seed)
            begin = time.monotonic()
            try:
                found = judge(bundle, rtl, iss, seed)
            except (PeritusError, AssertionError) as error:
                found, bad = "accepted, and not the same", bad + 1
                print(f"seed {seed} ({kind}): {type(error).__name__}: {error}", flush=True)
            except Exception as error:  # what must not happen
                found, bad = "raw exception", bad + 1
                print(f"seed {seed} ({kind}): {type(error).__name__}: {error}", flush=True)
            if time.monotonic() - begin > 60:
                print(f"seed {seed} ({kind}): {time.monotonic() - begin:.0f} s", flush=True)
            counts[found] += 1
    for what, number in sorted(counts.items()):
        print(f"{number:6d}  {what}")
    print(f"{options.count} programs, {bad} that devices do not agree on")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
