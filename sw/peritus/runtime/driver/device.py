# SPDX-License-Identifier: Apache-2.0
"""What the devices behind the driver have in common: simulated RTL, PYNQ boards, PYNQ over simulated RTL."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Iterator

from peritus.arch.config import HwConfig
from peritus.bundle import Bundle
from peritus.runtime.base import BaseDevice, Request
from peritus.runtime.buffers import FrameBuffers
from peritus.runtime.device import Perf, Result, unpack_result
from peritus.runtime.driver.accelerator import RESET_TIMEOUT_S, Accelerator, Counters
from peritus.runtime.driver.platform import Limit, Platform
from peritus.runtime.driver.runner import FrameRunner
from peritus.runtime.errors import NotLoaded


class DrivenDevice(BaseDevice):
    """peritus.runtime.Device over a driver platform; a subclass makes the platform.

    After any error the next call resets the accelerator and loads the program again.

    Args:
        hw: the configuration expected. limit: for loading the program and for each frame.
    """

    name = "driven"

    def __init__(self, hw: HwConfig, limit: Limit) -> None:
        super().__init__(hw, longest_s=limit.seconds + 2 * RESET_TIMEOUT_S)
        self._limit = limit
        self._runner: FrameRunner | None = None

    # --- for the subclass ---

    @abstractmethod
    def _power_up(self, bundle: Bundle) -> Platform:
        """A platform in its state after power-up, with room for the bundle."""

    def _power_down(self) -> None:
        """Forget the platform; its buffers have been freed."""

    # --- BaseDevice ---

    def _install(self, bundle: Bundle) -> FrameBuffers:
        platform = self._power_up(bundle)
        self._runner = FrameRunner(platform, Accelerator(platform, self.hw), bundle, self._limit)
        return self._runner.buffers

    @property
    def _installed(self) -> FrameRunner:
        if self._runner is None:
            raise NotLoaded(f"the {self.name} device has no bundle: call load() first")
        return self._runner

    def _start(self) -> None:
        self._installed.start()

    def _jobs(self, bundle: Bundle, requests: Iterator[Request]) -> Iterator[Result]:
        started = time.perf_counter()
        for frame in self._installed.frames(requests):
            now = time.perf_counter()
            perf = _perf(frame.counters, now - started)
            started = now
            yield unpack_result(bundle, frame.request.task, frame.output, frame.features, perf)

    def _uninstall(self) -> None:
        runner, self._runner = self._runner, None
        try:
            if runner is not None:
                runner.free()
        finally:
            self._power_down()


def _perf(counters: Counters | None, seconds: float) -> Perf:
    if counters is None:
        return Perf(seconds=seconds)
    return Perf(
        cycles=counters.cycles,
        array_busy=counters.array_busy,
        stall_weight=counters.stall_weight,
        stall_wait=counters.stall_wait,
        bytes_read=sum(counters.bytes_read),
        bytes_written=counters.bytes_written,
        seconds=seconds,
        bytes_by_port=counters.bytes_read,
    )
