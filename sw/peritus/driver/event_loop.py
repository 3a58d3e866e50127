# SPDX-License-Identifier: Apache-2.0
"""The asyncio event loop in which PYNQ's interrupts are waited for, by code that blocks.

PYNQ ties an interrupt to the event loop it is made in. The caller's own will not do: in a notebook it runs
already and cannot be waited on; in a thread there may be none. So there is one for the process, which runs in
the thread that waits. A thread that runs it all the time would cost two changes of threads per interrupt.
"""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from peritus.driver.errors import BoardError

T = TypeVar("T")
TURN_TIMEOUT_S = 60.0


class PrivateLoop:
    """An event loop that whoever needs it runs, one thread at a time."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._turn = threading.Lock()
        self._helper: ThreadPoolExecutor | None = None

    def run(self, function: Callable[..., Coroutine[Any, Any, T]], *arguments: Any) -> T:
        """What the coroutine function returns or raises.

        Raises:
            BoardError: another thread runs the loop for longer than TURN_TIMEOUT_S.
        """
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return self._run(function, *arguments)
        # Called from a coroutine, as in a notebook: a thread has only one running loop.
        if self._helper is None:
            self._helper = ThreadPoolExecutor(1, "peritus-interrupts")
        return self._helper.submit(self._run, function, *arguments).result()

    def call(self, function: Callable[[], T]) -> T:
        """What `function` returns or raises, called in the loop."""

        async def run() -> T:
            return function()

        return self.run(run)

    def _run(self, function: Callable[..., Coroutine[Any, Any, T]], *arguments: Any) -> T:
        if not self._turn.acquire(timeout=TURN_TIMEOUT_S):
            raise BoardError(f"another thread has waited for an interrupt for {TURN_TIMEOUT_S:g} s")
        try:
            return self._loop.run_until_complete(function(*arguments))
        finally:
            self._turn.release()


class InterruptWait:
    """Blocks until a PYNQ interrupt comes; who gives up and comes back waits for the same one."""

    def __init__(self, loop: PrivateLoop, interrupt: Any) -> None:
        self._loop = loop
        self._interrupt = interrupt
        self._task: asyncio.Task[None] | None = None

    def wait(self, seconds: float) -> bool:
        """Wait for at most so long; False if it did not come.

        Raises:
            RuntimeError: PYNQ has given the interrupt up.
        """
        return self._loop.run(self._wait, seconds)

    def close(self) -> None:
        """Give up waiting."""
        task, self._task = self._task, None
        if task is not None:
            self._loop.run(self._cancel, task)

    @staticmethod
    async def _cancel(task: asyncio.Task[None]) -> None:
        task.cancel()
        await asyncio.wait({task}, timeout=1)

    async def _wait(self, seconds: float) -> bool:
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._interrupt.wait())
        done, _ = await asyncio.wait({self._task}, timeout=seconds)
        if not done:
            return False
        task, self._task = self._task, None
        task.result()
        return True


@functools.cache
def private_loop() -> PrivateLoop:
    """The process's one: PYNQ keeps its interrupt controllers, and so their loop, for good."""
    return PrivateLoop()
