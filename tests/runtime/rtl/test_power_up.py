# SPDX-License-Identifier: Apache-2.0
"""Nothing that the accelerator does depends on what its registers and memories hold at power-up."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from peritus.arch.registers import Offset
from peritus.bundle import Bundle
from peritus.report import same_result
from peritus.runtime.device import Result
from peritus.runtime.driver.errors import DeviceTimeout
from peritus.runtime.driver.platform import Limit
from peritus.runtime.rtl.device import RtlDevice, build_rtl
from peritus.runtime.rtl.power_up import MAX_SEED, PowerUp, PowerUpError
from peritus.runtime.virtual.ulx3s import UartSimDevice
from tests.common.serial_board import NANO
from tests.runtime.rtl.power_up import INTERRUPTED, interrupt, registers_after_reset

PATTERNS = ("zeros", "ones", *(f"random:{seed}" for seed in (1, 2, 3, 5, 8, 13)))


def test_a_pattern_is_chosen_by_name() -> None:
    for text in (*PATTERNS, f"random:{MAX_SEED}"):
        assert str(PowerUp.of(text)) == text
    drawn = {PowerUp.of("random") for _ in range(8)}
    assert len(drawn) == 8 and all(PowerUp.of(str(power_up)) == power_up for power_up in drawn)


@pytest.mark.parametrize(
    "text",
    ["", "Random", "zeros:1", "random:", "random:0", "random:-1", f"random:{MAX_SEED + 1}", "random:²"],
)
def test_a_pattern_that_is_not_there(text: str) -> None:
    with pytest.raises(PowerUpError, match="must be zeros, ones, random"):
        PowerUp.of(text)


@pytest.mark.sim
def test_results_and_cycles_are_the_same_for_every_pattern(
    small: Bundle, small_image: NDArray[np.uint8], expected: Result
) -> None:
    cycles = set()
    for pattern in PATTERNS:
        with RtlDevice(NANO, power_up=pattern) as device:
            device.load(small)
            results = []
            for interrupted in (None, *INTERRUPTED):
                if interrupted is not None:
                    interrupt(device, small_image, interrupted)
                results.append(device.run(small_image, task="task0", features=True))
            assert all(same_result(result, expected) for result in results), pattern
            cycles.add(tuple(result.perf.cycles for result in results))
    assert len(cycles) == 1


@pytest.mark.sim
def test_registers_after_the_reset_are_the_same_for_every_pattern() -> None:
    library = build_rtl(NANO)
    seen = [registers_after_reset(library, PowerUp.of(pattern)) for pattern in PATTERNS]
    assert seen[0][Offset.ID // 4] and all(registers == seen[0] for registers in seen)


@pytest.mark.sim
def test_a_seed_determines_what_registers_hold(small: Bundle) -> None:
    """Seen in the memory of the board, which no reset clears."""
    outputs = []
    for pattern in ("random:1", "random:1", "random:2", "zeros"):
        device = UartSimDevice(NANO, power_up=pattern)
        outputs.append(device.client.read_memory(4096, 256))
        device.close()
    assert outputs[0] == outputs[1] != outputs[2]
    assert not any(outputs[3]) and outputs[2] != outputs[3]


@pytest.mark.sim
def test_errors_tell_the_seed(small: Bundle, small_image: NDArray[np.uint8]) -> None:
    device = RtlDevice(NANO, limit=Limit(seconds=60, cycles=1))
    with device, pytest.raises(DeviceTimeout, match=rf"; power-up random:{device.power_up.seed}$"):
        device.load(small)
