# SPDX-License-Identifier: Apache-2.0
"""Device `reference`: the bundle's program on the instruction set interpreter, bit-exact, without a clock."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt

from peritus.arch.config import HwConfig
from peritus.bundle import Bundle
from peritus.image import check_image
from peritus.runtime.device import NotLoaded, Perf, Result, unpack_result
from peritus.runtime.iss import Machine, Trace


class ReferenceDevice:
    """peritus.runtime.Device without hardware: integer NumPy, a frame of m3vit_tiny in seconds."""

    name = "reference"

    def __init__(self, hw: HwConfig) -> None:
        self.hw = hw
        self._bundle: Bundle | None = None
        self._machine: Machine | None = None

    def load(self, bundle: Bundle) -> None:
        """Take a bundle; BundleConfigError if it is for other hardware."""
        self._machine = Machine(bundle, self.hw)
        self._bundle = bundle

    def run(self, image: npt.NDArray[np.uint8], *, task: str, features: bool = False) -> Result:
        """Run one job, see Device.run; ProgramError if the program is wrong."""
        return self.run_traced(image, task=task, features=features, trace=None)

    def run_traced(
        self, image: npt.NDArray[np.uint8], *, task: str, features: bool, trace: Trace | None
    ) -> Result:
        """Run one job and record every memory write in `trace`."""
        if self._bundle is None or self._machine is None:
            raise NotLoaded("run() before load(): the device has no bundle")
        bundle = self._bundle
        frame = check_image(image, bundle.image_height, bundle.image_width)
        index = bundle.task_index(task)
        start = time.perf_counter()
        job = self._machine.run(np.ascontiguousarray(frame).reshape(-1), index, features, trace)
        perf = Perf(
            bytes_read=job.weight_bytes + bundle.image_bytes,
            bytes_written=len(job.output) + (len(job.features) if job.features is not None else 0),
            seconds=time.perf_counter() - start,
        )
        return unpack_result(bundle, index, job.output, job.features, perf)

    def run_batch(
        self, images: Iterable[npt.NDArray[np.uint8]], tasks: Iterable[str], *, features: bool = False
    ) -> list[Result]:
        """One job per image and task, in order."""
        return [
            self.run(image, task=task, features=features) for image, task in zip(images, tasks, strict=True)
        ]

    def stream(
        self, images: Iterable[npt.NDArray[np.uint8]], tasks: Iterable[str], *, features: bool = False
    ) -> Iterator[Result]:
        """One job per image and task, each when its result is asked for."""
        for image, task in zip(images, tasks, strict=False):
            yield self.run(image, task=task, features=features)

    def buffer(self) -> npt.NDArray[np.uint8]:
        """Any memory will do here."""
        if self._bundle is None:
            raise NotLoaded("buffer() before load(): the device has no bundle")
        return np.zeros((self._bundle.image_height, self._bundle.image_width, 3), np.uint8)

    def close(self) -> None:
        """Forget the bundle."""
        self._bundle = self._machine = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
