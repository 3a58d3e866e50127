# SPDX-License-Identifier: Apache-2.0
"""What every device can do: the reference, the simulated RTL and the boards run a bundle the same way."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from types import TracebackType
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from peritus.bundle import Bundle, TaskEntry

if TYPE_CHECKING:
    from typing import Self


@dataclass(frozen=True)
class Perf:
    """What a job cost. Cycle counts are None on a device without a clock (the reference).

    cycles: from the start of the job to its last acknowledged write, of a job that began behind another's
    results from the other's end: those of a stream add up to its time, and so do all counts. array_busy:
    cycles in which the MAC array took a token. stall_weight, stall_wait: cycles in which it waited for
    weights, for earlier results.
    bytes_read, bytes_written: external memory, all ports; bytes_by_port: read by each, where it is counted.
    seconds: wall-clock time on the host.
    """

    cycles: int | None = None
    array_busy: int | None = None
    stall_weight: int | None = None
    stall_wait: int | None = None
    bytes_read: int = 0
    bytes_written: int = 0
    seconds: float = 0.0
    bytes_by_port: tuple[int, ...] = ()


@dataclass(frozen=True)
class Result:
    """What a job returns.

    task: whose map it is; of a job of all tasks together the first one, and `others` the rest.
    outputs: task name -> int16 [rows, columns, channels], the map as the accelerator computed it; empty for
    a task whose map the host computes. raw_features: int16 [tokens, d], None unless asked for or needed by
    the host. feature_scale: real value of one LSB of them. host_map: float32 [rows, columns, channels], the
    map that the host computed of the features.
    """

    task: TaskEntry
    outputs: dict[str, npt.NDArray[np.int16]]
    raw_features: npt.NDArray[np.int16] | None
    feature_scale: float
    perf: Perf
    host_map: npt.NDArray[np.float32] | None = None
    others: tuple[TaskEntry, ...] = ()

    def by_task(self) -> tuple[Result, ...]:
        """The same as if each task had had a job of its own; of one task, itself. All have the job's perf."""
        if not self.others:
            return (self,)
        entries = (self.task, *self.others)
        return tuple(
            replace(self, task=entry, outputs={entry.name: self.outputs[entry.name]}, others=())
            for entry in entries
        )

    @property
    def features(self) -> npt.NDArray[np.float32] | None:
        """float32 [tokens, d]: the residual stream after the last block, None unless asked for."""
        if self.raw_features is None:
            return None
        return self.raw_features.astype(np.float32) * np.float32(self.feature_scale)

    def dequantized(self) -> npt.NDArray[np.float32]:
        """The task's map in real units: float32 [rows, columns, channels]."""
        if self.host_map is not None:
            return self.host_map
        return self.outputs[self.task.name].astype(np.float32) * np.float32(self.task.scale)

    def upsampled(self, height: int, width: int) -> npt.NDArray[np.float32]:
        """The map in real units at image size, bilinear: float32 [height, width, channels]."""
        return resize_bilinear(self.dequantized(), height, width)

    def labels(self, height: int, width: int) -> npt.NDArray[np.int64]:
        """Class of every pixel of a segmentation, int64 [height, width]."""
        winners: npt.NDArray[np.int64] = self.upsampled(height, width).argmax(axis=2)
        return winners

    def top(self, count: int = 5) -> list[tuple[str, float]]:
        """The best classes of a classification, best first: name (or number) and probability."""
        logits = self.dequantized().mean(axis=(0, 1), dtype=np.float64)
        probabilities = np.exp(logits - logits.max())
        probabilities /= probabilities.sum()
        best = np.argsort(-probabilities, kind="stable")[:count]
        names = self.task.classes or tuple(map(str, range(len(logits))))
        return [(names[i], float(probabilities[i])) for i in best]


class Device(Protocol):
    """One accelerator; all devices keep this contract, tests/runtime/test_contract.py holds them to it.

    Owner: a device does one call at a time. From its first frame to its last, a stream until it ends or is
    closed or collected, it is one caller's; any other call raises DeviceBusy, at once, and disturbs nothing.
    Only buffer(), release() and close() may come at any time.

    Threads: any thread may call, the same or another each time. A camera (the images of a stream) may take
    its time and use buffer(); it may not call run(), load() or reset() of the device that asks it.

    Closing: close() may come from any thread and more than once. It waits for the frame that another
    thread is at. That thread's call, an unfinished stream, and every later call raise DeviceClosed.

    Errors: a bad call (NotLoaded, ImageError, BundleTaskError, BundleConfigError) leaves the device as
    it was. After any other error, and after an abandoned stream, the next call resets the device first; the
    bundle stays loaded.

    Results are copies, the caller's for good.
    """

    name: str

    def load(self, bundle: Bundle) -> None:
        """Make the device ready for jobs of this bundle. Frame buffers of an earlier one are no longer valid.

        Raises:
            BundleConfigError: it is for other hardware; what was loaded before stays.
            ProgramRefused: the verifier cannot prove its program; what was loaded before stays.
            TailError: the host's part of the network cannot be opened; what was loaded before stays.
            ForeignDevice: the device is not of the configuration expected.
        """
        ...

    def run(self, image: npt.NDArray[np.uint8], *, task: str, features: bool = False) -> Result:
        """Run one job.

        image: uint8 [height, width, channels], as the bundle wants it. task: a name of the bundle's task
        table, or `TOGETHER` where the bundle has a job of all tasks: Result.by_task() takes them apart.
        features: also return the residual stream after the last block.

        Raises:
            NotLoaded, ImageError, BundleTaskError: bad call, the device has not been touched.
            TailError: the host's part of the task failed.
            DeviceBusy, DeviceClosed: see the class. Besides, those of `peritus.runtime.driver.errors`.
        """
        ...

    def run_batch(
        self, images: Iterable[npt.NDArray[np.uint8]], tasks: Iterable[str], *, features: bool = False
    ) -> list[Result]:
        """Run one job per image and task, keeping the device busy; results in order.

        All are checked before the first one runs: raises as run, and CallError if there are not as many
        images as tasks, or tasks is one text.
        """
        ...

    def stream(
        self, images: Iterable[npt.NDArray[np.uint8]], tasks: Iterable[str], *, features: bool = False
    ) -> Iterator[Result]:
        """Run one job per image and task while there are both; results in order, as they come.

        Nothing happens before the first result is asked for. images is asked for the next one as soon as the
        device has room for it: up to IN_FLIGHT images ahead of the result. Raises as run; a bad image or task
        ends the stream at once.
        """
        ...

    def buffer(self) -> npt.NDArray[np.uint8]:
        """A free frame buffer for a camera to fill: uint8 [height, width, channels].

        Run it, or any view of all of it, as an image: the device's from then on, and read in place where
        memory holds plain images (FrameLayout.plain), else copied once.

        Raises:
            NotLoaded: there is no bundle yet. BufferUnavailable: all of them are in use.
        """
        ...

    def release(self, buffer: npt.NDArray[np.uint8]) -> None:
        """Give back a buffer without running it; BufferUnavailable if it is not the caller's."""
        ...

    def reset(self) -> None:
        """Abandon what an error left behind and start the device again, with its bundle. Raises as run."""
        ...

    def close(self) -> None:
        """Give the device back; DeviceBusy if another thread's frame does not end within its limit."""
        ...

    def __enter__(self) -> Self: ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """close(), without stopping the event loop."""
        ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def unpack_result(
    bundle: Bundle,
    job: int,
    output: npt.NDArray[np.uint8],
    features: npt.NDArray[np.uint8] | None,
    perf: Perf,
) -> Result:
    """Result of a job from its buffers: uint8, at least as long as TaskEntry and FeatureEntry say.

    The arrays are copied, so that the buffers can be used for the next job.
    """
    entries, maps, layout = bundle.job_tasks(job), bundle.job_maps(job), bundle.features
    outputs = {}
    for entry in entries:
        if entry.host:
            continue
        # One plain copy, then views: leaving the padding out while copying takes several times as long.
        full = output[maps[entry.name]].copy().view("<i2")
        shaped = full.reshape(entry.rows, entry.columns, entry.padded_channels)
        outputs[entry.name] = shaped[:, :, : entry.channels]
    raw = None
    if features is not None:
        rows = features[: layout.output_bytes].copy().view("<i2")
        raw = rows.reshape(layout.tokens, layout.padded_channels)[:, : layout.channels]
    return Result(entries[0], outputs, raw, layout.scale, perf, others=entries[1:])


def resize_bilinear(values: npt.NDArray[np.float32], height: int, width: int) -> npt.NDArray[np.float32]:
    """Bilinear: float32 [h, w, c] to [height, width, c], pixel centres at half integers, edges held."""

    def weights(
        size: int, target: int
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.float32]]:
        position = np.clip((np.arange(target) + 0.5) * size / target - 0.5, 0, size - 1)
        low = position.astype(np.int64)
        return low, np.minimum(low + 1, size - 1), (position - low).astype(np.float32)

    y0, y1, fy = weights(values.shape[0], height)
    x0, x1, fx = weights(values.shape[1], width)
    rows = values[y0] + (values[y1] - values[y0]) * fy[:, None, None]
    resized: npt.NDArray[np.float32] = rows[:, x0] + (rows[:, x1] - rows[:, x0]) * fx[None, :, None]
    return resized
