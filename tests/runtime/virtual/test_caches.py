# SPDX-License-Identifier: Apache-2.0
"""The caches of the simulated board fail whoever forgets them: each thing that a driver can forget."""

import numpy as np
import pytest
from numpy.typing import NDArray

from peritus.runtime.virtual.caches import LINE, SETS, CachedMemory

LINES = 4 * SETS


@pytest.fixture
def memory() -> NDArray[np.uint8]:
    """What the device sees."""
    return np.zeros(LINES * LINE, np.uint8)


@pytest.fixture
def cached(memory: NDArray[np.uint8]) -> CachedMemory:
    return CachedMemory(memory, np.random.default_rng(0))


def evict_all(cached: CachedMemory) -> None:
    for number in range(SETS):
        cached.evict(number)


def test_nothing_arrives_before_it_is_written_back(memory: NDArray[np.uint8], cached: CachedMemory) -> None:
    before = memory.copy()
    assert (before != 5).any()
    cached.array[:] = 5
    np.testing.assert_array_equal(memory, before)
    cached.flush(LINE, 1)  # a byte takes its line along
    assert (memory[LINE : 2 * LINE] == 5).all()
    before[LINE : 2 * LINE] = 5
    np.testing.assert_array_equal(memory, before)
    cached.flush(0, memory.size)
    assert (memory == 5).all()


def test_a_dirty_line_overwrites_what_the_device_wrote(
    memory: NDArray[np.uint8], cached: CachedMemory
) -> None:
    cached.array[:] = 0
    memory[:] = 7  # the device
    evict_all(cached)
    assert (memory == 0).all()


def test_a_clean_line_does_not(memory: NDArray[np.uint8], cached: CachedMemory) -> None:
    cached.array[:] = 0
    cached.flush(0, memory.size)
    memory[:] = 7
    evict_all(cached)
    cached.flush(0, memory.size)
    assert (memory == 7).all()
    assert (cached.array == 0).all()  # what the device wrote is seen when it is asked for
    cached.invalidate(LINE, 1)
    assert (cached.array[LINE : 2 * LINE] == 7).all()
    assert (cached.array[2 * LINE :] == 0).all()


def test_dirty_lines_are_lost_or_win_where_others_are_invalidated(
    memory: NDArray[np.uint8], cached: CachedMemory
) -> None:
    cached.flush(0, memory.size)
    memory[:] = 7
    cached.array[:] = 9
    cached.invalidate(0, LINE)
    lines = cached.array.reshape(-1, LINE)
    np.testing.assert_array_equal(lines, memory.reshape(-1, LINE))
    assert {int(line[0]) for line in lines} == {7, 9}
