# SPDX-License-Identifier: Apache-2.0
"""What the devices behind the driver have in common: simulated RTL, PYNQ boards, PYNQ over simulated RTL."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from peritus.arch.config import HwConfig
from peritus.bundle import Bundle
from peritus.errors import PeritusError
from peritus.image import check_image
from peritus.runtime.device import NotLoaded, Perf, Result, unpack_result
from peritus.runtime.driver.accelerator import RESET_TIMEOUT_S, Accelerator, Counters
from peritus.runtime.driver.errors import DeviceBusy, DeviceClosed
from peritus.runtime.driver.platform import Limit, Platform
from peritus.runtime.driver.runner import FrameRunner, Request


class _Turn:
    """A lock that knows whose it is: only its owner gives it back, and a thread can tell that it has it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._owner: int | None = None

    @property
    def mine(self) -> bool:
        return self._owner == threading.get_ident()

    def take(self, seconds: float = -1) -> bool:
        """False if it is not free within `seconds`; negative: wait for it."""
        taken = self._lock.acquire(timeout=seconds)
        if taken:
            self._owner = threading.get_ident()
        return taken

    def give(self) -> None:
        if self.mine:
            self._owner = None
            self._lock.release()

    def __enter__(self) -> None:
        self.take()

    def __exit__(self, *_: object) -> None:
        self.give()


class DrivenDevice(ABC):
    """peritus.runtime.Device over a driver platform; a subclass makes the platform.

    One call at a time: another thread's call, or one during an unfinished stream, raises DeviceBusy. After
    any error the next call resets the device and loads the program again; the bundle stays loaded. After
    close() all calls raise DeviceClosed.

    Args:
        hw: the configuration expected. limit: for loading the program and for each frame.
    """

    name = "driven"

    def __init__(self, hw: HwConfig, limit: Limit) -> None:
        self.hw = hw
        self._limit = limit
        self._bundle: Bundle | None = None
        self._runner: FrameRunner | None = None
        self._failed = False
        self._in_use = threading.Lock()  # one caller's, from the first frame to the last
        self._at_work = _Turn()  # held while the device is touched, not while a camera is waited for
        self._closed = False

    # --- for the subclass ---

    @abstractmethod
    def _power_up(self, bundle: Bundle) -> Platform:
        """A platform in its state after power-up, with room for the bundle."""

    def _power_down(self) -> None:
        """Forget the platform; its buffers have been freed."""

    def _check_present(self) -> None:
        """Raise if the device behind the platform is no longer the one that was loaded."""

    def _check(self) -> None:
        """Raise if frames that seem to have succeeded have not."""

    def _after_reset(self) -> None:
        """The device is as after loading again."""

    def _revive(self) -> None:
        """A soft reset did not help; what can be done before powering up again."""

    # --- peritus.runtime.Device ---

    def load(self, bundle: Bundle) -> None:
        """Power up the device and load the bundle.

        Raises:
            BundleConfigError: it is for other hardware; what was loaded before stays.
            ForeignDevice: the device is not of the configuration expected.
        """
        bundle.check_hardware(self.hw)
        with self._used(), self._at_work:
            self._check_open()
            self._load(bundle)

    def _load(self, bundle: Bundle) -> None:
        self._unload()
        platform = self._power_up(bundle)
        runner = FrameRunner(platform, Accelerator(platform, self.hw), bundle, self._limit)
        self._bundle, self._runner = bundle, runner
        self._failed = True  # unless it starts
        runner.start()
        self._failed = False

    def run(self, image: NDArray[np.uint8], *, task: str, features: bool = False) -> Result:
        """Run one job; see peritus.runtime.Device. Raises besides those `peritus.runtime.driver.errors`."""
        return self.run_batch([image], [task], features=features)[0]

    def run_batch(
        self, images: Iterable[NDArray[np.uint8]], tasks: Iterable[str], *, features: bool = False
    ) -> list[Result]:
        """Run one job per image and task, the next ones queued behind the running one. Raises as run.

        All images are checked before the first one runs.
        """
        _, bundle = self._loaded()
        requests = list(_requests(bundle, images, tasks, features, strict=True))
        with self._used():
            return list(self._results(requests))

    def stream(
        self, images: Iterable[NDArray[np.uint8]], tasks: Iterable[str], *, features: bool = False
    ) -> Iterator[Result]:
        """Run one job per image and task for as long as there are both; results in order, as they come.

        images is asked for the next one as soon as the device has room for it, so that its queue is full: up
        to IN_FLIGHT images ahead of the result. An image that is a frame buffer of this device, or a view of
        all of one, is not copied.
        The device is in use until the iterator ends or is closed. Raises as run.
        """
        _, bundle = self._loaded()
        requests = _requests(bundle, images, tasks, features, strict=False)
        with self._used():
            yield from self._results(requests)

    def buffer(self) -> NDArray[np.uint8]:
        """A free buffer for a camera to fill: uint8 [height, width, 3], which the device reads in place.

        Run it as an image; it is the device's from then on. Raises BufferUnavailable if all are in use.
        """
        return self._loaded()[0].buffer()

    def release(self, buffer: NDArray[np.uint8]) -> None:
        """Give back a buffer without running it; BufferUnavailable if it is not the caller's."""
        self._loaded()[0].release(buffer)

    def reset(self) -> None:
        """Make the device usable again after any error.

        Abandons what is running; the bundle stays loaded. If a soft reset is of no help the device is powered
        up afresh.
        """
        with self._used(), self._at_work:
            self._reset()

    def _reset(self) -> None:
        runner, bundle = self._loaded()
        self._check_present()
        try:
            runner.start()
            self._after_reset()
            self._failed = False
        except PeritusError:
            self._revive()
            self._load(bundle)

    def _loaded(self) -> tuple[FrameRunner, Bundle]:
        self._check_open()
        if self._runner is None or self._bundle is None:
            raise NotLoaded(f"the {self.name} device has no bundle: call load() first")
        return self._runner, self._bundle

    @contextmanager
    def _used(self) -> Iterator[None]:
        """The device is one caller's."""
        if not self._in_use.acquire(blocking=False):
            raise DeviceBusy(f"the {self.name} device is in use by another thread or an unfinished stream")
        try:
            yield
        finally:
            self._in_use.release()

    def _check_open(self) -> None:
        if self._closed:
            raise DeviceClosed(f"the {self.name} device has been closed")

    def _taken(self, requests: Iterable[Request]) -> Iterator[Request]:
        """The requests, for who is _at_work: a camera may take its time, and close() come meanwhile."""
        pending = iter(requests)
        while True:
            self._at_work.give()
            try:
                request = next(pending, None)
            finally:
                self._at_work.take()
            self._check_open()
            if request is None:
                return
            yield request

    def _results(self, requests: Iterable[Request]) -> Iterator[Result]:
        """Results of the requests; a device that failed before is reset first."""
        with self._at_work:
            self._check_open()
            self._check_present()
            if self._failed:
                self._reset()
            runner, bundle = self._loaded()
            self._failed = True  # unless everything below succeeds
            frames = runner.frames(self._taken(requests))
        started = time.perf_counter()
        while True:
            with self._at_work:
                self._check_open()
                frame = next(frames, None)
                if frame is None:
                    self._check()
                    self._failed = False
                    return
                now = time.perf_counter()
                perf = _perf(frame.counters, now - started)
                result = unpack_result(bundle, frame.request.task, frame.output, frame.features, perf)
            started = now
            yield result

    def _unload(self) -> None:
        runner, self._runner = self._runner, None
        self._bundle = None
        try:
            if runner is not None:
                runner.free()
        finally:
            self._power_down()

    def close(self) -> None:
        """Give the device back. Another thread's call, or an unfinished stream, ends as DeviceClosed.

        Raises:
            DeviceBusy: another thread is still at the frame it was at, after the limit of a frame, or this
                one is, which has come here from what reports its progress. It will end as above, and close()
                can be called again.
        """
        self._closed = True
        if self._at_work.mine:
            raise DeviceBusy(f"the {self.name} device cannot be closed in the midst of its own call")
        seconds = self._limit.seconds + 2 * RESET_TIMEOUT_S
        if not self._at_work.take(seconds):
            raise DeviceBusy(f"the {self.name} device is still in use by another thread after {seconds:g} s")
        try:
            self._unload()
        finally:
            self._at_work.give()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _requests(
    bundle: Bundle, images: Iterable[NDArray[np.uint8]], tasks: Iterable[str], features: bool, *, strict: bool
) -> Iterator[Request]:
    """Checked as they are taken; strict: ValueError if there are not as many images as tasks.

    An image is asked for once there is a task for it: a camera gives a frame buffer away with it.
    """
    height, width = bundle.image_height, bundle.image_width
    for task, image in zip(map(bundle.task_index, tasks), images, strict=strict):
        yield Request(check_image(image, height, width), task, features)


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
    )
