# SPDX-License-Identifier: Apache-2.0
"""What every device can do: the reference, the simulated RTL and the boards run a bundle the same way."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

import numpy as np
import numpy.typing as npt

from peritus.bundle import Bundle, TaskEntry
from peritus.errors import PeritusError


class NotLoaded(PeritusError):
    """run() before load()."""


@dataclass(frozen=True)
class Perf:
    """What a job cost. Cycle counts are None on a device without a clock (the reference).

    cycles: from the start of the job to its last acknowledged write. array_busy: cycles in which the MAC
    array took a token. stall_weight, stall_wait: cycles in which it waited for weights, for earlier results.
    bytes_read, bytes_written: external memory, all ports. seconds: wall-clock time on the host.
    """

    cycles: int | None = None
    array_busy: int | None = None
    stall_weight: int | None = None
    stall_wait: int | None = None
    bytes_read: int = 0
    bytes_written: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class Result:
    """What a job returns.

    outputs: task name -> int16 [rows, columns, channels], the map as the accelerator computed it.
    raw_features: int16 [tokens, d], None unless asked for. feature_scale: real value of one LSB of them.
    """

    task: TaskEntry
    outputs: dict[str, npt.NDArray[np.int16]]
    raw_features: npt.NDArray[np.int16] | None
    feature_scale: float
    perf: Perf

    @property
    def features(self) -> npt.NDArray[np.float32] | None:
        """float32 [tokens, d]: the residual stream after the last block, None unless asked for."""
        if self.raw_features is None:
            return None
        return self.raw_features.astype(np.float32) * np.float32(self.feature_scale)

    def dequantized(self) -> npt.NDArray[np.float32]:
        """The task's map in real units: float32 [rows, columns, channels]."""
        return self.outputs[self.task.name].astype(np.float32) * np.float32(self.task.scale)

    def upsampled(self, height: int, width: int) -> npt.NDArray[np.float32]:
        """The map in real units at image size, bilinear: float32 [height, width, channels]."""
        return resize_bilinear(self.dequantized(), height, width)

    def labels(self, height: int, width: int) -> npt.NDArray[np.int64]:
        """Class of every pixel of a segmentation, int64 [height, width]."""
        winners: npt.NDArray[np.int64] = self.upsampled(height, width).argmax(axis=2)
        return winners


class Device(Protocol):
    """One accelerator. Use as a context manager; after any error it can be loaded and run again."""

    name: str

    def load(self, bundle: Bundle) -> None:
        """Make the device ready for jobs of this bundle; BundleConfigError if it is for other hardware."""
        ...

    def run(self, image: npt.NDArray[np.uint8], *, task: str, features: bool = False) -> Result:
        """Run one job.

        image: uint8 [height, width, 3], as the bundle wants it. task: a name of the bundle's task table.
        features: also return the residual stream after the last block.

        Raises:
            NotLoaded, ImageError, BundleTaskError: bad call, the device has not been touched.
        """
        ...

    def run_batch(
        self, images: Iterable[npt.NDArray[np.uint8]], tasks: Iterable[str], *, features: bool = False
    ) -> list[Result]:
        """Run one job per image and task, keeping the device busy; results in order. Raises as run."""
        ...

    def stream(
        self, images: Iterable[npt.NDArray[np.uint8]], tasks: Iterable[str], *, features: bool = False
    ) -> Iterator[Result]:
        """Run one job per image and task while there are both; results in order, as they come.

        images is asked for the next one as soon as the device has room for it. Raises as run.
        """
        ...

    def buffer(self) -> npt.NDArray[np.uint8]:
        """Memory for an image, uint8 [height, width, 3], read in place; the caller's until it is run.

        Raises:
            NotLoaded: there is no bundle yet. BufferUnavailable: all of them are in use.
        """
        ...

    def close(self) -> None:
        """Give the device back."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def unpack_result(
    bundle: Bundle,
    task: int,
    output: npt.NDArray[np.uint8],
    features: npt.NDArray[np.uint8] | None,
    perf: Perf,
) -> Result:
    """Result of a job from its buffers: uint8, at least as long as TaskEntry and FeatureEntry say.

    The arrays are copied, so that the buffers can be used for the next job.
    """
    entry, layout = bundle.tasks[task], bundle.features
    # One plain copy, then views: leaving the padding out while copying takes several times as long.
    full = output[: entry.output_bytes].copy().view("<i2")
    shaped = full.reshape(entry.rows, entry.columns, entry.padded_channels)
    raw = None
    if features is not None:
        rows = features[: layout.output_bytes].copy().view("<i2")
        raw = rows.reshape(layout.tokens, layout.padded_channels)[:, : layout.channels]
    outputs = {entry.name: shaped[:, :, : entry.channels]}
    return Result(entry, outputs, raw, layout.scale, perf)


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
