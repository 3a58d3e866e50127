# SPDX-License-Identifier: Apache-2.0
"""The contract of `peritus.runtime.Device`, implemented once: ownership, closing, batches, streams."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from types import TracebackType
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from peritus.arch.config import HwConfig
from peritus.bundle import Bundle
from peritus.errors import PeritusError
from peritus.image import check_image
from peritus.runtime.buffers import FrameBuffers
from peritus.runtime.device import Result
from peritus.runtime.errors import CallError, DeviceBusy, DeviceClosed, NotLoaded
from peritus.tail import TailError, TailSession
from peritus.verifier import verify_program

if TYPE_CHECKING:
    from typing import Self


@dataclass(frozen=True)
class Request:
    """One frame to run: uint8 [height, width, channels] as the bundle wants it, task by index, features or
    not."""

    image: NDArray[np.uint8]
    task: int
    features: bool


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


class BaseDevice(ABC):
    """peritus.runtime.Device; a subclass only does the work, in the methods `for the subclass`.

    They are called by one thread at a time and never after close().

    Args:
        hw: the configuration expected. longest_s: no call holds the device longer; close() waits for it.
    """

    name = "base"

    def __init__(self, hw: HwConfig, longest_s: float) -> None:
        self.hw = hw
        self._longest_s = longest_s
        self._bundle: Bundle | None = None
        self._buffers: FrameBuffers | None = None
        self._tail: TailSession | None = None
        self._failed = False
        self._in_use = threading.Lock()  # one caller's, from the first frame to the last
        self._at_work = _Turn()  # held while the device is touched, not while a camera is waited for
        self._closed = False

    # --- for the subclass ---

    @abstractmethod
    def _install(self, bundle: Bundle) -> FrameBuffers:
        """Make room for the bundle on a device that has none."""

    @abstractmethod
    def _start(self) -> None:
        """Make what is installed ready for jobs, whatever happened before; recalls the frame buffers."""

    @abstractmethod
    def _jobs(self, bundle: Bundle, requests: Iterator[Request]) -> Iterator[Result]:
        """Run the requests in order, asking for each as soon as there is room for it; results are copies."""

    @abstractmethod
    def _uninstall(self) -> None:
        """Give everything back; harmless if nothing is installed."""

    def _check_present(self) -> None:
        """Raise if the device is no longer the one that was loaded."""

    def _check(self) -> None:
        """Raise if frames that seem to have succeeded have not."""

    def _after_reset(self) -> None:
        """The device is as after loading again."""

    def _revive(self) -> None:
        """Starting again did not help; what can be done before installing the bundle again."""

    # --- peritus.runtime.Device ---

    def load(self, bundle: Bundle) -> None:
        """Make the device ready for jobs of this bundle; see peritus.runtime.Device."""
        if not isinstance(bundle, Bundle):
            raise CallError(
                f"load() of a {type(bundle).__name__}, expected a Bundle: load_bundle reads a file"
            )
        with self._used(), self._at_work:
            self._check_open()
            bundle.check_hardware(self.hw)
            verify_program(bundle)
            tail = bundle.tail.open() if bundle.tail else None
            self._load(bundle)
            self._tail = tail

    def _load(self, bundle: Bundle) -> None:
        self._unload()
        self._buffers = self._install(bundle)
        self._bundle = bundle
        self._failed = True  # unless it starts
        self._start()
        self._failed = False

    def run(self, image: NDArray[np.uint8], *, task: str, features: bool = False) -> Result:
        """Run one job; see peritus.runtime.Device."""
        return self.run_batch([image], [task], features=features)[0]

    def run_batch(
        self, images: Iterable[NDArray[np.uint8]], tasks: Iterable[str], *, features: bool = False
    ) -> list[Result]:
        """Run one job per image and task, all checked before the first; see peritus.runtime.Device."""
        with self._used():
            requests = list(_requests(self._loaded(), images, tasks, features, strict=True))
            return list(self._results(requests))

    def stream(
        self, images: Iterable[NDArray[np.uint8]], tasks: Iterable[str], *, features: bool = False
    ) -> Iterator[Result]:
        """Run one job per image and task while there are both; see peritus.runtime.Device."""
        with self._used():
            yield from self._results(_requests(self._loaded(), images, tasks, features, strict=False))

    def buffer(self) -> NDArray[np.uint8]:
        """A free frame buffer, uint8 [height, width, channels]; see peritus.runtime.Device."""
        return self._frame_buffers().lend()

    def release(self, buffer: NDArray[np.uint8]) -> None:
        """Give back a frame buffer without running it; BufferUnavailable if it is not the caller's."""
        self._frame_buffers().give_back(buffer)

    def reset(self) -> None:
        """Make the device usable again after any error; the bundle stays loaded.

        What was running is abandoned. If starting again is of no help, the bundle is installed afresh.
        """
        with self._used(), self._at_work:
            self._reset()

    def _reset(self) -> None:
        bundle = self._loaded()
        self._check_present()
        try:
            self._start()
            self._after_reset()
            self._failed = False
        except PeritusError:
            self._revive()
            self._load(bundle)

    def _loaded(self) -> Bundle:
        self._check_open()
        if self._bundle is None:
            raise NotLoaded(f"the {self.name} device has no bundle: call load() first")
        return self._bundle

    def _frame_buffers(self) -> FrameBuffers:
        self._loaded()
        if (buffers := self._buffers) is None:  # another thread is just loading
            raise NotLoaded(f"the {self.name} device has no frame buffers: call load() first")
        return buffers

    @contextmanager
    def _used(self) -> Iterator[None]:
        """The device is one caller's."""
        self._check_open()
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
            self._failed = True  # unless everything below succeeds
            jobs = self._jobs(self._loaded(), self._taken(requests))
        while True:
            with self._at_work:
                self._check_open()
                result = next(jobs, None)
                if result is None:
                    self._check()
                    self._failed = False
                    return
            yield self._completed(result)

    def _completed(self, result: Result) -> Result:
        """With the map that the host computes, of a task without a head."""
        task, features = result.task, result.features
        if not task.host or features is None:
            return result
        if self._tail is None:
            raise TailError(f"the bundle lacks the host's part, which computes {task.name!r}")
        shape = task.rows, task.columns, task.channels
        return replace(result, host_map=self._tail.run(features, task.name, shape))

    def _unload(self) -> None:
        self._bundle = self._buffers = None
        self._uninstall()

    def close(self) -> None:
        """Give the device back; see peritus.runtime.Device.

        Raises:
            DeviceBusy: another thread is still at the frame it was at, after `longest_s`, or this one is,
                which has come here from what reports its progress. It will end as DeviceClosed, and close()
                can be called again.
        """
        self._closed = True
        if self._at_work.mine:
            raise DeviceBusy(f"the {self.name} device cannot be closed in the midst of its own call")
        if not self._at_work.take(self._longest_s):
            raise DeviceBusy(
                f"the {self.name} device is still in use by another thread after {self._longest_s:g} s"
            )
        try:
            self._unload()
        finally:
            self._at_work.give()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        import asyncio  # who comes here has it; every other start would pay for it

        await asyncio.to_thread(self.close)  # it may wait for a frame

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _requests(
    bundle: Bundle, images: Iterable[NDArray[np.uint8]], tasks: Iterable[str], features: bool, *, strict: bool
) -> Iterator[Request]:
    """Checked as they are taken; strict: CallError if there are not as many images as tasks.

    An image is asked for once there is a task for it: a camera gives a frame buffer away with it.
    """
    if isinstance(tasks, str):  # its letters would be taken for names
        raise CallError(f"tasks is the text {tasks!r}, expected a list of names, [{tasks!r}] for example")
    for name, given in (("images", images), ("tasks", tasks)):
        if not isinstance(given, Iterable):
            raise CallError(f"{name} is a {type(given).__name__}, expected a list, or what yields them")
    if not isinstance(features, (bool, np.bool_)):
        raise CallError(f"features is {features!r}, expected True or False")
    if strict:
        images, tasks = list(images), list(tasks)
        if len(images) != len(tasks):
            raise CallError(f"{len(images)} images for {len(tasks)} tasks, expected one image per task")
    for task, image in zip(map(bundle.task_index, tasks), images, strict=strict):
        if features and task == len(bundle.tasks):
            raise CallError("a job of all tasks returns no features: run a task by itself for them")
        wanted = features or any(entry.host for entry in bundle.job_tasks(task))
        yield Request(check_image(image, *bundle.frame.shape), task, wanted)
