# SPDX-License-Identifier: Apache-2.0
"""What the twin is compared on, and how: every write into every on-chip memory, and the results."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from peritus.arch.memories import Memory
from peritus.bundle import Bundle
from peritus.debug.locate import first_difference, recorded
from peritus.ir.random_model import Dims
from peritus.reference import HIDDEN_ZERO_POINT
from peritus.report import same_result
from peritus.runtime.hls.device import HlsDevice
from peritus.runtime.iss import Trace
from peritus.runtime.iss.device import IssDevice

MICRO = Dims(layers=2)
# The dimensions of m3vit_tiny, but two layers.
TINY = Dims(
    height=128, width=256, d=192, heads=3, layers=2, hidden=768, experts=16, expert_hidden=384,
    task_channels=(19, 1),
)  # fmt: skip


@dataclass(frozen=True)
class Program:
    """A network, and the configuration it runs on."""

    hw: str
    dims: Dims

    def __str__(self) -> str:
        changed = {k: v for k, v in vars(self.dims).items() if v != getattr(MICRO, k)}
        return f"{self.hw}: " + (", ".join(f"{k} {v}" for k, v in changed.items()) or "micro")


def _micro(hw: str, **changes: object) -> Program:
    return Program(hw, replace(MICRO, **changes))  # type: ignore[arg-type]


PROGRAMS = (
    *(
        _micro(hw, routing=routing)
        for hw in ("nano", "edge", "zcu104", "zcu104_vit")
        for routing in ("even", "skewed", "idle", "single", "ties")
    ),
    *(_micro(hw, expert_bits=4, routing="skewed") for hw in ("edge", "zcu104", "zcu104_vit")),
    *(_micro(hw, zero_point=HIDDEN_ZERO_POINT) for hw in ("nano", "edge", "zcu104", "zcu104_vit")),
    _micro("nano", zero_point=HIDDEN_ZERO_POINT, activation="relu", expert_bits=4),
    *(
        _micro("nano", **changes)
        for changes in (
            {"top_k": 1},
            {"experts": 3, "expert_hidden": 40},
            {"experts": 1, "top_k": 1},
            {"d": 72, "heads": 3, "hidden": 88},
            {"d": 60, "heads": 5},
            {"heads": 1, "hidden": 8},
            {"d": 8, "heads": 1, "hidden": 8, "expert_hidden": 8},
            {"task_channels": (1, 2, 5)},
            {"upscale": 2},
            {"moe_layers": (0, 1)},
            {"moe_layers": (), "classes": 5},
            {"expert_bits": 4},
            {"patch": 8, "height": 24, "width": 40},
            {"height": 16, "width": 16},
            {"patch": 14, "height": 28, "width": 42, "upscale": 2},
            {"patch": 5, "height": 15, "width": 20, "upscale": 1, "channels": 1},
            {"prefix": 0},
            {"prefix": 5},
            {"channels": 1},
            {"channels": 4, "prefix": 0},
            # More tokens than accumulators: passes, queues and queries come in blocks.
            {
                "height": 48, "width": 56, "patch": 8, "d": 8, "heads": 1, "hidden": 8, "expert_hidden": 8,
                "task_channels": (1,),
            },
        )
    ),
    *(_micro("nano", d=heads * width, heads=heads) for heads, width in ((4, 4), (3, 5), (3, 12), (2, 20))),
    *(
        _micro("edge", **changes)
        for changes in (
            {"top_k": 4},
            {"experts": 13, "top_k": 3, "expert_hidden": 100},
            {"d": 60, "heads": 5},
            {"patch": 8, "height": 24, "width": 40},
        )
    ),
    *(Program("zcu104", replace(TINY, routing=routing)) for routing in ("even", "idle")),
    Program("zcu104", replace(TINY, expert_bits=4)),
    Program("zcu104_vit", replace(TINY, d=192, heads=2, experts=4)),
)  # fmt: skip


def compare(
    device: HlsDevice, bundle: Bundle, image: NDArray[np.uint8], task: str, *, features: bool
) -> tuple[int, str | None]:
    """One job on the simulator and the twin: how many writes there were, and the first difference."""
    hw, trace = device.hw, Trace()
    with IssDevice(hw) as reference:
        reference.load(bundle)
        expected = reference.run_traced(image, task=task, features=features, trace=trace)
    device.load(bundle)
    device.record_writes()
    found = device.run(image, task=task, features=features)
    written = recorded(device)
    difference = first_difference(trace, written, bundle, hw)
    if difference is None and not same_result(found, expected):
        return 0, "the results differ"
    return sum(len(written[memory]) for memory in Memory), None if difference is None else str(difference)
