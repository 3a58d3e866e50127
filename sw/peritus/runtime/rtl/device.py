# SPDX-License-Identifier: Apache-2.0
"""The `rtl` device: the accelerator's own SystemVerilog, simulated cycle by cycle, driven as on a board."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import numpy as np

from peritus.arch.config import HwConfig
from peritus.bundle import Bundle
from peritus.eda.sources import TOP, design_files, waivers
from peritus.eda.verilator.build import BuildProgress
from peritus.resources import resource
from peritus.runtime.base import Request
from peritus.runtime.device import Result
from peritus.runtime.driver.errors import DeviceTimeout, PortTimeout
from peritus.runtime.driver.platform import BUFFER_ALIGNMENT, Limit
from peritus.runtime.driver.runner import FRAME_BUFFERS
from peritus.runtime.errors import NotLoaded
from peritus.runtime.rtl.errors import ProtocolError
from peritus.runtime.rtl.platform import MEMORY_BASE, PortSample, RtlPlatform
from peritus.runtime.rtl.power_up import PoweredUp, PowerUp
from peritus.runtime.rtl.simulation import DdrParameters, Simulation, build_simulation
from peritus.runtime.timeline import Cause, Span, Timeline

NO_JOB = "IDLE"  # what sim/peritus_cycle_monitor.sv says between jobs
DEFAULT_LIMIT = Limit(seconds=600, cycles=20_000_000)  # for each frame
UNANSWERED_CYCLES = 10_000  # longer than any memory that is only slow


def build_rtl(
    hw: HwConfig,
    *,
    waves: bool = False,
    assertions: bool = False,
    as_synthesized: bool = False,
    cache_dir: Path | None = None,
    progress: Callable[[BuildProgress], None] | None = None,
) -> Path:
    """The simulator of one configuration, built if it is not in the cache; options of `build_simulation`.

    as_synthesized: what synthesis for UltraScale+ makes of it: multipliers are models of DSP48E2 slices, not
    their behaviour, at a clock of their own with dsp_ratio 2, and pipelines load always (ALWAYS_LOAD in
    rtl/common/peritus_pipeline_pkg.sv).
    """
    return build_simulation(
        TOP,
        [
            *design_files(TOP, hw, [resource("sim/models")]),
            *(resource(f"sim/{name}.sv") for name in ("trace_bind", "peritus_cycle_monitor", "cycle_bind")),
            waivers(),
        ],
        parameters={"Dsp48e2": int(as_synthesized)},
        defines={"ALWAYS_LOAD": 1} if as_synthesized else {},
        waves=waves,
        assertions=assertions,
        fast_clock=as_synthesized and hw.dsp_ratio == 2,
        cache_dir=cache_dir,
        progress=progress,
    )


class RtlDevice(PoweredUp):
    """Implements peritus.runtime.Device by simulation.

    Runs raise besides the errors of `peritus.runtime.driver.errors` ProtocolError (the design broke a rule
    of AXI) and DesignStopped (an assertion failed). A DeviceTimeout is a PortTimeout where a memory port has
    not answered for UNANSWERED_CYCLES.

    Args:
        hw: the configuration; its simulator is built on first use and cached.
        ddr: memory timing; default: what the configuration assumes.
        power_up: what registers and on-chip memories hold before the reset: zeros, ones, random:SEED, or
            random, by a new seed, which the attribute power_up and errors tell.
        limit: for each frame, in simulated cycles and in seconds.
        waves: record every signal into this FST file (another, slower simulator).
        assertions: check the RTL's assertions (another, slower simulator).
        as_synthesized: see build_rtl (another, slower simulator).
        progress: told how far the build of the simulator is.

    Raises:
        ToolchainError, CacheError: the simulator cannot be built. PowerUpError: no such pattern.
    """

    name = "rtl"

    def __init__(
        self,
        hw: HwConfig,
        *,
        ddr: DdrParameters | None = None,
        power_up: str = "random",
        limit: Limit = DEFAULT_LIMIT,
        waves: Path | None = None,
        assertions: bool = False,
        as_synthesized: bool = False,
        progress: Callable[[BuildProgress], None] | None = None,
    ) -> None:
        super().__init__(hw, limit)
        self.power_up = PowerUp.of(power_up)
        self._ddr = ddr or DdrParameters.of(hw.ddr)
        self._waves = waves
        self._library = build_rtl(
            hw,
            waves=waves is not None,
            assertions=assertions,
            as_synthesized=as_synthesized,
            progress=progress,
        )
        self._platform: RtlPlatform | None = None

    @property
    def platform(self) -> RtlPlatform:
        """Registers and memory of the simulated device; NotLoaded before load()."""
        if self._platform is None:
            raise NotLoaded("the rtl device has no bundle: call load() first")
        return self._platform

    @property
    def simulation(self) -> Simulation:
        """The simulated design, for its cycle count, traffic and write records; NotLoaded before load()."""
        return self.platform.simulation

    def port_use(self) -> list[PortSample]:
        """Bytes that each port has read, by cycles of the frame: of the one frame since
        `platform.sample_ports()` and `simulation.record_cycles()`."""
        samples, begin = self.platform.samples, self.simulation.changes()[0][0]
        base = samples[0].read
        found = [PortSample(0, (0,) * len(base))]
        for cycle, read in samples[1:]:
            if cycle > begin:
                moved = tuple(now - before for now, before in zip(read, base, strict=True))
                found.append(PortSample(cycle - begin, moved))
        return found

    def timelines(self) -> list[Timeline]:
        """Of each frame since `simulation.record_cycles()`, which is called between frames; in order."""
        frames: list[Timeline] = []
        spans: list[Span] = []
        for (begin, instruction, name), (end, _, after) in pairwise(self.simulation.changes()):
            if name != NO_JOB:
                spans.append(Span(instruction, Cause[name], begin, end))
            if after == NO_JOB and spans:
                first = spans[0].start
                frames.append(Timeline.of([Span(i, c, s - first, e - first) for i, c, s, e in spans]))
                spans = []
        return frames

    def _power_up(self, bundle: Bundle) -> RtlPlatform:
        memory = np.zeros(memory_size(bundle), np.uint8)
        simulation = Simulation(
            self._library,
            memory,
            base=MEMORY_BASE,
            ports=self.hw.axi_ports,
            ddr=self._ddr,
            power_up=self.power_up,
        )
        if self._waves is not None:
            simulation.open_waves(self._waves)
        simulation.reset()
        self._platform = RtlPlatform(simulation, memory)
        return self._platform

    def _power_down(self) -> None:
        """Free the simulation and finish the waveform file."""
        if self._platform is not None:
            self._platform.simulation.close()
        self._platform = None

    def _start(self) -> None:
        with self._silent_port_named():
            super()._start()

    def _jobs(self, bundle: Bundle, requests: Iterator[Request]) -> Iterator[Result]:
        with self._silent_port_named():
            yield from super()._jobs(bundle, requests)

    @contextmanager
    def _silent_port_named(self) -> Iterator[None]:
        try:
            yield
        except DeviceTimeout as error:
            slowest = next(iter(self.simulation.open_accesses()), None)
            if slowest is None or slowest.waited < UNANSWERED_CYCLES:
                raise
            raise PortTimeout(
                f"{slowest}; {error}", (slowest.port,), write=slowest.write, address=slowest.address
            ) from error

    def _check(self) -> None:
        found, total = self.simulation.violations()
        if total:
            text = f"{total} violations of the AXI protocol, first: {found[0]}"
            raise ProtocolError(f"{text}{self.power_up.suffix}")

    def _after_reset(self) -> None:
        self.simulation.clear_violations()


def memory_size(bundle: Bundle) -> int:
    """Bytes of simulated memory that a bundle's buffers fit into."""
    frame = bundle.frame.bytes + bundle.output_bytes + bundle.features.output_bytes
    # Besides what is used: up to two pages around each of five buffers.
    return len(bundle.program) + bundle.weights.size + FRAME_BUFFERS * (frame + 192) + 10 * BUFFER_ALIGNMENT
