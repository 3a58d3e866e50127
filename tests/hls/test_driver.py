# SPDX-License-Identifier: Apache-2.0
"""The driver of the control map that Vitis HLS would make, over the compiled twin. (Vitis was not run.)"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from peritus.arch.config import load_config
from peritus.compiler import compile_model
from peritus.ir.random_model import random_image, random_model
from peritus.report import same_result
from peritus.runtime.driver.errors import DeviceTimeout
from peritus.runtime.driver.platform import Limit
from peritus.runtime.hls.control_map import ControlMap, ControlMapError
from peritus.runtime.hls.driver import HlsIpDevice
from peritus.runtime.hls.library import TwinError
from peritus.runtime.iss.device import IssDevice
from tests.common import copy_program as copy
from tests.hls.control_map import HEADER, PlayedIp
from tests.hls.programs import MICRO
from tests.hls.test_faults import BAD

pytestmark = pytest.mark.hls
NANO = load_config("nano")


def moved(by: int) -> str:
    """The header with all arguments elsewhere, as another version of Vitis may put them."""
    return re.sub(r"0x([1-9]\w)$", lambda m: f"{int(m[0], 16) + by:#x}", HEADER, flags=re.MULTILINE)


@pytest.fixture(params=[0, 0x40], ids=["as 2022.1", "elsewhere"])
def played(request: pytest.FixtureRequest) -> Iterator[PlayedIp]:
    ip = PlayedIp(NANO, ControlMap.parse(moved(request.param)))
    yield ip
    ip.close()


def test_frames_are_the_simulator_s(played: PlayedIp) -> None:
    """All tasks, with and without features, two bundles; the first job of each is cold."""
    with HlsIpDevice(NANO, played, played.control) as device, IssDevice(NANO) as reference:
        for dims in (MICRO, replace(MICRO, expert_bits=4, routing="idle")):
            bundle = compile_model(random_model(dims), NANO)
            device.load(bundle)
            reference.load(bundle)
            for number, task in enumerate(bundle.tasks):
                image = random_image(dims, number)
                for features in (True, False):
                    found = device.run(image, task=task.name, features=features)
                    expected = reference.run(image, task=task.name, features=features)
                    assert same_result(found, expected)
    assert [job.cold for job in played.jobs] == [1, 0, 0, 0] * 2


@pytest.mark.usefixtures("unverified")
@pytest.mark.parametrize("name", ["end", "address", "weights end"])
def test_a_wrong_program_is_named_and_the_next_one_runs(played: PlayedIp, name: str) -> None:
    message, program, fetches = next(rest for bad, *rest in BAD if bad == name)
    with HlsIpDevice(NANO, played, played.control) as device:
        device.load(copy.bundle(program, fetches))
        with pytest.raises(TwinError, match=message):
            device.run(copy.IMAGE, task="first", features=True)
        device.load(copy.bundle())
        found = device.run(copy.IMAGE, task="second").outputs["second"]
        np.testing.assert_array_equal(found, copy.table(1))


def test_an_ip_that_does_not_answer() -> None:
    control = ControlMap.parse(HEADER)
    played = PlayedIp(NANO, control, polls=1 << 30)
    with HlsIpDevice(NANO, played, control, limit=Limit(0.05)) as device:
        bundle = compile_model(random_model(MICRO), NANO)
        device.load(bundle)
        with pytest.raises(DeviceTimeout, match=r"task 'task0': nothing within 0.05 s; AP_CTRL is 0x1"):
            device.run(random_image(MICRO), task="task0")
    played.close()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("ADDR_AP_CTRL", "ADDR_CTRL", "no AP_CTRL"),
        ("BITS_WEIGHTS_DATA 64", "BITS_WEIGHTS_DATA 32", "has 32 bits of weights, must be 64"),
        ("BITS_JOB_DATA 288", "BITS_JOB_TASK_DATA 288", "has no bits of job, must be 288"),
        ("ADDR_IMAGE_DATA 0x34", "ADDR_IMAGE_DATA 0x2c", "image at 0x2c: weights"),
        ("ADDR_IMAGE_DATA 0x34", "ADDR_IMAGE_DATA 0x36", "image at 0x36: no whole word"),
        ("ADDR_PROGRAM_R_DATA 0x10", "ADDR_PROGRAM_R_DATA 0x00", "program at 0x0: AP_CTRL"),
    ],
)
def test_a_map_that_is_not_the_twin_s(old: str, new: str, message: str) -> None:
    assert old in HEADER
    with pytest.raises(ControlMapError, match=message):
        ControlMap.parse(HEADER.replace(old, new))
