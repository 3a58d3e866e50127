# SPDX-License-Identifier: Apache-2.0
"""The `rtl` device: the accelerator's own SystemVerilog, simulated cycle by cycle, driven as on a board."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from peritus.devices.device import NotLoaded, Perf, Result, unpack_result
from peritus.devices.rtl_platform import MEMORY_BASE, RtlPlatform
from peritus.devices.simulation import (
    DdrParameters,
    ProtocolError,
    Simulation,
    SimulationError,
    build_simulation,
)
from peritus.driver.accelerator import Accelerator
from peritus.driver.errors import DeviceError
from peritus.driver.platform import BUFFER_ALIGNMENT, Limit
from peritus.driver.runner import IN_FLIGHT, Frame, FrameRunner, Request
from peritus.hw.config import HwConfig
from peritus.image import check_image
from peritus.program.bundle import Bundle
from peritus.resources import resource
from peritus.toolchain.build import BuildProgress
from peritus.toolchain.rtl import rtl_sources

DEFAULT_LIMIT = Limit(seconds=600, cycles=20_000_000)  # for each frame


def build_rtl(
    hw: HwConfig,
    *,
    waves: bool = False,
    assertions: bool = False,
    cache_dir: Path | None = None,
    progress: Callable[[BuildProgress], None] | None = None,
) -> Path:
    """The simulator of one configuration, built if it is not in the cache; options of `build_simulation`."""
    return build_simulation(
        "peritus_top",
        [*rtl_sources(hw.name), resource("sim/trace_bind.sv")],
        waves=waves,
        assertions=assertions,
        cache_dir=cache_dir,
        progress=progress,
    )


class RtlDevice:
    """Implements peritus.devices.Device by simulation.

    Args:
        hw: the configuration; its simulator is built on first use and cached.
        ddr: memory timing; default: what the configuration assumes.
        limit: for each frame, in simulated cycles and in seconds.
        waves: record every signal into this FST file (another, slower simulator).
        assertions: check the RTL's assertions (another, slower simulator).
        progress: told how far the build of the simulator is.

    Raises:
        ToolchainError: the simulator cannot be built.
    """

    name = "rtl"

    def __init__(
        self,
        hw: HwConfig,
        *,
        ddr: DdrParameters | None = None,
        limit: Limit = DEFAULT_LIMIT,
        waves: Path | None = None,
        assertions: bool = False,
        progress: Callable[[BuildProgress], None] | None = None,
    ) -> None:
        self.hw = hw
        self._ddr = ddr or DdrParameters.of(hw.ddr)
        self._limit = limit
        self._waves = waves
        self._library = build_rtl(hw, waves=waves is not None, assertions=assertions, progress=progress)
        self._bundle: Bundle | None = None
        self._simulation: Simulation | None = None
        self._platform: RtlPlatform | None = None
        self._runner: FrameRunner | None = None
        self._failed = False

    @property
    def simulation(self) -> Simulation:
        """The simulated design, for its cycle count, traffic and write records; NotLoaded before load()."""
        if self._simulation is None:
            raise NotLoaded("the rtl device has no bundle: call load() first")
        return self._simulation

    @property
    def platform(self) -> RtlPlatform:
        """Registers and memory of the simulated device; NotLoaded before load()."""
        if self._platform is None:
            raise NotLoaded("the rtl device has no bundle: call load() first")
        return self._platform

    def load(self, bundle: Bundle) -> None:
        """Power up a fresh device and load the bundle; BundleConfigError if it is for other hardware."""
        bundle.check_hardware(self.hw)
        self.close()
        self._bundle = bundle
        outputs = max(task.output_bytes for task in bundle.tasks)
        frame = bundle.image_bytes + outputs + bundle.features.output_bytes
        # Besides what is used: up to two pages around each of five buffers.
        size = len(bundle.program) + bundle.weights.size + IN_FLIGHT * (frame + 192) + 10 * BUFFER_ALIGNMENT
        memory = np.zeros(size, np.uint8)
        self._simulation = Simulation(
            self._library, memory, base=MEMORY_BASE, ports=self.hw.axi_ports, ddr=self._ddr
        )
        if self._waves is not None:
            self._simulation.open_waves(self._waves)
        self._simulation.reset()
        self._platform = platform = RtlPlatform(self._simulation, memory)
        self._runner = FrameRunner(platform, Accelerator(platform, self.hw), bundle, self._limit)
        self._runner.start()
        self._failed = False

    def run(self, image: NDArray[np.uint8], *, task: str, features: bool = False) -> Result:
        """Run one job; see peritus.devices.Device. Raises besides the errors of `peritus.driver.errors`.

        Raises:
            ProtocolError: the design broke a rule of AXI. DesignStopped: an assertion failed.
        """
        return self.run_batch([image], [task], features=features)[0]

    def run_batch(
        self, images: Iterable[NDArray[np.uint8]], tasks: Iterable[str], *, features: bool = False
    ) -> list[Result]:
        """Run one job per image and task, the next ones queued behind the running one. Raises as run."""
        runner, bundle = self._ready()
        requests = [
            Request(
                check_image(image, bundle.image_height, bundle.image_width), bundle.task_index(task), features
            )
            for image, task in zip(images, tasks, strict=True)
        ]
        self._failed = True  # unless everything below succeeds
        results = list(self._results(bundle, runner.frames(requests)))
        self._check_protocol()
        self._failed = False
        return results

    def _ready(self) -> tuple[FrameRunner, Bundle]:
        """The running device, brought back first if the last call failed."""
        if self._runner is None or self._bundle is None:
            raise NotLoaded("the rtl device has no bundle: call load() first")
        if self._failed:
            self.reset()
        return self._runner, self._bundle

    def reset(self) -> None:
        """Make the device usable again after any error.

        Abandons what is running; the bundle stays loaded. If a soft reset is of no help, or an assertion has
        ended the simulation, the device is powered up afresh.
        """
        if self._runner is None or self._bundle is None:
            raise NotLoaded("the rtl device has no bundle: call load() first")
        try:
            self._runner.start()
            self.simulation.clear_violations()
            self._failed = False
        except (DeviceError, SimulationError):
            self.load(self._bundle)

    def _results(self, bundle: Bundle, frames: Iterator[Frame]) -> Iterator[Result]:
        started = time.perf_counter()
        for frame in frames:
            counters = frame.counters
            now = time.perf_counter()
            perf = Perf(seconds=now - started)
            if counters is not None:
                perf = Perf(
                    cycles=counters.cycles,
                    array_busy=counters.array_busy,
                    stall_weight=counters.stall_weight,
                    stall_wait=counters.stall_wait,
                    bytes_read=sum(counters.bytes_read),
                    bytes_written=counters.bytes_written,
                    seconds=now - started,
                )
            started = now
            yield unpack_result(bundle, frame.request.task, frame.output, frame.features, perf)

    def _check_protocol(self) -> None:
        found, total = self.simulation.violations()
        if total:
            raise ProtocolError(f"{total} violations of the AXI protocol, first: {found[0]}")

    def close(self) -> None:
        """Free the simulation and finish the waveform file."""
        if self._simulation is not None:
            self._simulation.close()
        self._simulation, self._platform, self._runner = None, None, None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
