# SPDX-License-Identifier: Apache-2.0
"""Makes a failing case smaller, one simplification at a time, as long as it still fails."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import fields, replace

from peritus.fuzz.case import Case
from peritus.ir.random_model import Dims

LEAST = {
    "layers": 1,
    "heads": 1,
    "experts": 1,
    "top_k": 1,
    "upscale": 1,
    "prefix": 0,
    "classes": 0,
    "hidden": 4,
    "expert_hidden": 4,
    "channels": 1,
}


def shrink(case: Case, fails: Callable[[Case], bool], seconds: float = 300.0) -> Case:
    """The smallest case found within `seconds` that still fails; `fails` may refuse illegal ones by False."""
    end = time.monotonic() + seconds
    smaller = True
    while smaller:
        smaller = False
        for candidate in simpler(case):
            if time.monotonic() > end:
                return case
            if fails(candidate):
                case, smaller = candidate, True
                break
    return case


def simpler(case: Case) -> Iterator[Case]:
    """Cases with one thing less, the greatest steps first."""
    for index in range(len(case.jobs)):
        if len(case.jobs) > 1:
            yield replace(case, jobs=case.jobs[:index] + case.jobs[index + 1 :])
    for index in range(len(case.extremes)):
        yield replace(case, extremes=case.extremes[:index] + case.extremes[index + 1 :])
    if case.modes:
        yield replace(case, modes=0)
        yield replace(case, modes=case.modes - 1)
    if case.ddr:
        yield replace(case, ddr={})
    if case.power_up != "zeros":
        yield replace(case, power_up="zeros")
    yield from (replace(case, dims=dims) for dims in _simpler_dims(case.dims))
    for index, (what, images, task, features) in enumerate(case.jobs):
        first, black = images[:1], ("black",)
        fewer = [(what, images[:n] + images[n + 1 :], task, features) for n in range(len(images))]
        candidates = [
            (what, first, task, features),
            *(fewer if len(images) > 1 else ()),
            ("run", first, task, features),
            (what, images, 0, features),
            (what, images, task, False),
            (what, black, task, features),
        ]
        for job in dict.fromkeys(candidates):  # each is played: none twice
            if job != case.jobs[index]:
                yield replace(case, jobs=(*case.jobs[:index], job, *case.jobs[index + 1 :]))


def _simpler_dims(dims: dict[str, object]) -> Iterator[dict[str, object]]:
    known = {field.name for field in fields(Dims)}
    for name, least in LEAST.items():
        value = dims[name]
        assert name in known and isinstance(value, int)
        for fewer in dict.fromkeys((least, (value + least) // 2)):
            if fewer < value:
                yield {**dims, name: fewer, **({"d": fewer * _width(dims)} if name == "heads" else {})}
    patch, heads = dims["patch"], dims["heads"]
    assert isinstance(patch, int) and isinstance(heads, int)
    for name in ("height", "width"):
        value = dims[name]
        assert isinstance(value, int)
        if value > patch:
            yield {**dims, name: patch}
            yield {**dims, name: value - patch}
    if (width := _width(dims)) > 1:
        yield {**dims, "d": heads * (width // 2)}
    channels = dims["task_channels"]
    assert isinstance(channels, tuple | list)
    if len(channels) > 1:
        yield {**dims, "task_channels": channels[:1]}
    if dims["routing"] != "even":
        yield {**dims, "routing": "even"}
    if dims["moe_layers"] not in ((), []):
        yield {**dims, "moe_layers": ()}


def _width(dims: dict[str, object]) -> int:
    d, heads = dims["d"], dims["heads"]
    assert isinstance(d, int) and isinstance(heads, int)
    return d // heads
