# SPDX-License-Identifier: Apache-2.0
"""Simulator, twin and RTL: every write into every on-chip memory, every result, of all programs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import pytest

from peritus.arch.config import load_config
from peritus.bundle import Bundle
from peritus.compiler import compile_model
from peritus.debug.locate import first_difference, recorded
from peritus.ir.random_model import random_image, random_model
from peritus.report import same_result
from peritus.runtime.iss import Trace
from peritus.runtime.iss.device import IssDevice
from peritus.runtime.rtl.device import RtlDevice
from tests.hls.conftest import Twins
from tests.hls.programs import PROGRAMS, Program

pytestmark = [pytest.mark.hls, pytest.mark.sim]
Rtl = Callable[[str], RtlDevice]


@pytest.fixture(scope="module")
def rtl() -> Iterator[Rtl]:
    opened: dict[str, RtlDevice] = {}

    def get(hw: str) -> RtlDevice:
        if hw not in opened:
            opened[hw] = RtlDevice(load_config(hw))
        return opened[hw]

    yield get
    for device in opened.values():
        device.close()


def bundle_of(program: Program) -> Bundle:
    return compile_model(random_model(program.dims), load_config(program.hw))


def long_on(hw: str, program: Program) -> Any:
    """The simulator of `hw` takes minutes to build, and differs from others in sizes only."""
    return pytest.param(program, marks=[pytest.mark.long] if program.hw == hw else [], id=str(program))


@pytest.mark.parametrize("program", [long_on("zcu104_vit", program) for program in PROGRAMS])
def test_every_write_and_result(twin: Twins, rtl: Rtl, program: Program) -> None:
    """All tasks, with features and without; the first job fetches what stays resident, the others find it."""
    bundle, hls, simulated = bundle_of(program), twin(program.hw), rtl(program.hw)
    hls.load(bundle)
    simulated.load(bundle)
    with IssDevice(hls.hw) as reference:
        reference.load(bundle)
        for number, (task, features) in enumerate(product(bundle.tasks, (True, False))):
            image, trace = random_image(program.dims, number), Trace()
            hls.record_writes()
            simulated.simulation.record_writes()
            expected = reference.run_traced(image, task=task.name, features=features, trace=trace)
            assert sum(len(record) for record in trace.records) > 100
            for device, recorder in ((hls, hls), (simulated, simulated.simulation)):
                found = device.run(image, task=task.name, features=features)
                where = f"{device.name}, task {task.name}, features {features}"
                difference = first_difference(trace, recorded(recorder), bundle, hls.hw)
                assert difference is None, f"{where}: {difference}"
                assert same_result(found, expected), f"{where}: the results differ"
