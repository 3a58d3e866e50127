# SPDX-License-Identifier: Apache-2.0
"""An asyncio event loop in a thread of its own, so that blocking code can wait for PYNQ's interrupts.

PYNQ ties an interrupt to the event loop it is made in. The caller's own loop will not do: in a notebook it
runs already and cannot be waited on; in a thread there may be none.
"""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
CALL_TIMEOUT_S = 60.0
_GRACE_S = 5.0  # for the loop to notice that a wait is over


class LoopThread:
    """Runs until the process ends: PYNQ keeps its interrupt controllers, and so their loop, for good."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, name="peritus-interrupts", daemon=True).start()

    def call(self, function: Callable[[], T]) -> T:
        """What `function` returns or raises, called in the loop; TimeoutError after CALL_TIMEOUT_S."""

        async def run() -> T:
            return function()

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(CALL_TIMEOUT_S)

    def wait_for(self, wait: Callable[[], Coroutine[Any, Any, None]], seconds: float) -> bool:
        """Run a coroutine for at most so long; False if it did not end."""

        async def run() -> bool:
            try:
                await asyncio.wait_for(wait(), seconds)
            except TimeoutError:
                return False
            return True

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(seconds + _GRACE_S)


@functools.cache
def loop_thread() -> LoopThread:
    """The process's one."""
    return LoopThread()
