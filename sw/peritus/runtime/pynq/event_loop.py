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
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as ResultTimeout
from typing import Any, TypeVar

from peritus.runtime.driver.errors import BoardError

T = TypeVar("T")
TURN_TIMEOUT_S = 60.0


class StillRunning(BoardError):
    """A call was given up, but goes on in a thread of its own. ended: done when it has ended."""

    def __init__(self, message: str, ended: Future[Any]) -> None:
        super().__init__(message)
        self.ended = ended


class PrivateLoop:
    """An event loop that whoever needs it runs, one thread at a time."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._turn = threading.Lock()
        self._helper: ThreadPoolExecutor | None = None

    def run(self, function: Callable[[asyncio.AbstractEventLoop], T], seconds: float) -> T:
        """What `function` returns or raises, which may run the loop for at most so long.

        Raises:
            BoardError: another thread runs the loop for longer than TURN_TIMEOUT_S.
        """
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return self._take_turn(function)
        # Called from a coroutine, as in a notebook: a thread has only one running loop.
        if self._helper is None:
            self._helper = ThreadPoolExecutor(1, "peritus-interrupts")
        return _result(self._helper.submit(self._take_turn, function), seconds + 2 * TURN_TIMEOUT_S)

    def call(self, function: Callable[[], T], seconds: float) -> T:
        """What `function` returns or raises, called in the loop.

        In a thread of its own, since it may be PYNQ that waits without a limit, and a daemon, so that it does
        not keep the process from ending.

        Raises:
            BoardError: it takes longer than `seconds`, or another thread runs the loop for longer than
                TURN_TIMEOUT_S.
        """

        async def run() -> T:
            return function()

        future: Future[T] = Future()

        def work() -> None:
            try:
                future.set_result(self._take_turn(lambda loop: loop.run_until_complete(run())))
            except BaseException as error:
                future.set_exception(error)

        threading.Thread(target=work, name="peritus-pynq", daemon=True).start()
        return _result(future, seconds)

    def _take_turn(self, function: Callable[[asyncio.AbstractEventLoop], T]) -> T:
        if not self._turn.acquire(timeout=TURN_TIMEOUT_S):
            raise BoardError(f"another thread has been busy with PYNQ's event loop for {TURN_TIMEOUT_S:g} s")
        try:
            return function(self._loop)
        finally:
            self._turn.release()


def _result(future: Future[T], seconds: float) -> T:
    """As of the future; BoardError if there is none within `seconds`."""
    try:
        return future.result(seconds)
    except ResultTimeout:
        if future.done():
            raise  # the function's own
        raise StillRunning(f"not done within {seconds:g} s", future) from None


class InterruptWait:
    """Blocks until a PYNQ interrupt comes; who gives up and comes back waits for the same one."""

    def __init__(self, loop: PrivateLoop, interrupt: Any) -> None:
        self._loop = loop
        self._interrupt = interrupt
        self._task: asyncio.Task[None] | None = None

    def wait(self, seconds: float) -> bool:
        """Wait for at most so long; False if it did not come. May return early.

        Raises:
            RuntimeError: PYNQ has given the interrupt up.
        """
        return self._loop.run(lambda loop: self._wait(loop, seconds), seconds)

    def close(self) -> None:
        """Give up waiting."""
        if self._task is not None:
            self._loop.run(self._cancel, 0)

    def _wait(self, loop: asyncio.AbstractEventLoop, seconds: float) -> bool:
        # One task and one timer: asyncio.wait in a coroutine would be as clear, and takes twice as long.
        task = self._task
        if task is None:
            task = self._task = loop.create_task(self._watch(loop))
        if not task.done():  # it may have come while another one ran the loop
            timer = loop.call_later(seconds, loop.stop)
            try:
                loop.run_forever()
            finally:
                timer.cancel()
        if not task.done():
            return False
        self._task = None
        task.result()
        return True

    async def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            await self._interrupt.wait()
        finally:
            loop.stop()  # if it runs for another one's interrupt by now, that one looks once in vain

    def _cancel(self, loop: asyncio.AbstractEventLoop) -> None:
        task, self._task = self._task, None
        if task is not None and task.cancel():
            loop.call_soon(loop.stop)  # after the task has ended
            loop.run_forever()


@functools.cache
def private_loop() -> PrivateLoop:
    """The process's one: PYNQ keeps its interrupt controllers, and so their loop, for good."""
    return PrivateLoop()
