# SPDX-License-Identifier: Apache-2.0
"""The event loop of PYNQ's interrupts: who waits gets his, or an error, or gives up in time."""

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import Callable

import pytest

from peritus.runtime.driver.errors import BoardError
from peritus.runtime.pynq import event_loop
from peritus.runtime.pynq.event_loop import InterruptWait, PrivateLoop


class Interrupt:
    """As PYNQ's: waits for an event of the running loop."""

    def __init__(self) -> None:
        self.event = asyncio.Event()
        self.waits = 0
        self.cancelled = False

    async def wait(self) -> None:
        self.waits += 1
        try:
            await self.event.wait()
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        self.event.clear()


def in_a_coroutine(function: Callable[[], bool]) -> bool:
    async def cell() -> bool:  # of a notebook, whose loop is running already
        return function()

    return asyncio.run(cell())


@pytest.mark.parametrize("run", [lambda function: function(), in_a_coroutine])
def test_who_gives_up_and_comes_back_waits_for_the_same_one(
    run: Callable[[Callable[[], bool]], bool],
) -> None:
    interrupt, loop = Interrupt(), PrivateLoop()
    wait = InterruptWait(loop, interrupt)
    for _ in range(3):
        assert not run(lambda: wait.wait(0.01))
    loop.call(interrupt.event.set, 10)
    start = time.monotonic()
    assert run(lambda: wait.wait(10))
    assert time.monotonic() - start < 5
    assert interrupt.waits == 1
    assert not run(lambda: wait.wait(0.01))
    assert interrupt.waits == 2
    wait.close()
    assert interrupt.cancelled
    wait.close()


def test_an_interrupt_that_has_been_given_up_says_so() -> None:
    class Gone:
        async def wait(self) -> None:
            raise RuntimeError("Interrupt invalidated")

    with pytest.raises(RuntimeError, match="invalidated"):
        InterruptWait(PrivateLoop(), Gone()).wait(10)


def test_one_of_another_device_is_not_lost() -> None:
    """Two devices share the loop: what comes for one while it runs for the other is kept."""
    loop, one, other = PrivateLoop(), Interrupt(), Interrupt()
    first, second = InterruptWait(loop, one), InterruptWait(loop, other)
    assert not first.wait(0.01)
    assert not second.wait(0.01)
    loop.call(one.event.set, 10)
    second.wait(0.01)
    assert first.wait(0)
    loop.call(other.event.set, 10)
    assert second.wait(10)


def test_what_hangs_inside_pynq_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    loop, go_on = PrivateLoop(), threading.Event()
    start = time.monotonic()
    with pytest.raises(BoardError, match=r"not done within 0\.1 s"):
        loop.call(lambda: go_on.wait(60), 0.1)
    monkeypatch.setattr(event_loop, "TURN_TIMEOUT_S", 0.1)
    with pytest.raises(BoardError, match=r"another thread has been busy .* for 0\.1 s"):
        loop.call(lambda: None, 10)
    with pytest.raises(BoardError, match="another thread"):
        InterruptWait(loop, Interrupt()).wait(10)
    assert time.monotonic() - start < 10
    go_on.set()
    monkeypatch.undo()
    assert loop.call(lambda: 5, 10) == 5


def test_a_timeout_of_the_function_is_its_own() -> None:
    def work() -> None:
        raise TimeoutError("PYNQ's")

    with pytest.raises(TimeoutError, match="PYNQ's"):
        PrivateLoop().call(work, 10)


def test_what_hangs_does_not_keep_the_process_from_ending() -> None:
    script = """
import time
from peritus.runtime.pynq.event_loop import PrivateLoop
PrivateLoop().call(lambda: time.sleep(600), 0.1)
"""
    command = [sys.executable, "-c", script]
    ended = subprocess.run(command, capture_output=True, check=False, text=True, timeout=60)
    assert "not done within 0.1 s" in ended.stderr
