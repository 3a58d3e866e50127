# SPDX-License-Identifier: Apache-2.0
"""A Verilated design with the DDR model behind its AXI ports (sim/), called through its C interface.

The memory of the simulated system is a NumPy array of the caller: the model works on it in place, nothing is
copied and no Python runs inside the clock loop.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from peritus.arch.config import MAX_BANDWIDTH, MAX_LATENCY, MIN_BANDWIDTH, DdrConfig
from peritus.eda.verilator.build import CHECK_FLAGS, FAST_FLAGS, BuildProgress, verilate
from peritus.resources import resource
from peritus.runtime.rtl.errors import DesignStopped, RegisterError, RegisterTimeout, SimulationError
from peritus.runtime.rtl.harness import (
    MAX_PORTS,
    Config,
    RawOpenAccess,
    RawViolation,
    Status,
    load_library,
)
from peritus.runtime.rtl.power_up import PowerUp
from peritus.runtime.writes import WriteRecords

if TYPE_CHECKING:
    from typing import Self

MAX_OUTSTANDING = 64  # of sim/ddr_config.hpp
REGISTER_TIMEOUT_CYCLES = 1000
RESET_CYCLES = 16


@dataclass(frozen=True)
class DdrParameters:
    """Memory timing.

    Attributes:
        read_latency: cycles from a read address to its first data beat on an idle port.
        bytes_per_cycle: sustained bandwidth over all ports, reads and writes together.
        port_bytes_per_cycle: the same of each port alone; (): only what its width allows.
        shared: groups of ports behind one port of the memory controller (peritus.arch.ps_ports.shared);
            shared_bytes_per_cycle: of each group together.
        write_latency: cycles from the last written beat to the response.
        jitter: up to this many cycles more, drawn for each burst.
        refresh_period, refresh_cycles: every so many cycles nothing moves for so many cycles (0: never).
        outstanding: bursts that a port holds in each direction, 1..64.
        stall: probability, 0 to below 1, that a channel is held back in a cycle.
        seed: of jitter and stalls.
        silent_reads, silent_writes: ports that take bursts and never answer them.
    """

    read_latency: int = 80
    bytes_per_cycle: float = 42.0
    port_bytes_per_cycle: tuple[float, ...] = ()
    shared: tuple[tuple[int, ...], ...] = ()
    shared_bytes_per_cycle: float = math.inf
    write_latency: int = 40
    jitter: int = 0
    refresh_period: int = 0
    refresh_cycles: int = 0
    outstanding: int = 16
    stall: float = 0.0
    seed: int = 1
    silent_reads: tuple[int, ...] = ()
    silent_writes: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        def need(ok: bool, field: str, rule: str) -> None:
            if not ok:
                raise SimulationError(f"DDR model: {field} = {getattr(self, field)}, must be {rule}")

        need(1 <= self.read_latency < MAX_LATENCY, "read_latency", "1..2^20-1 cycles")
        least, most = MIN_BANDWIDTH, MAX_BANDWIDTH
        need(least <= self.bytes_per_cycle <= most, "bytes_per_cycle", f"above 0, at most {most}")
        rates = self.port_bytes_per_cycle
        need(
            len(rates) <= MAX_PORTS and all(least <= rate <= most for rate in rates),
            "port_bytes_per_cycle",
            f"at most {MAX_PORTS} numbers above 0, at most {most}",
        )
        members = [port for group in self.shared for port in group]
        need(
            len(set(members)) == len(members) and set(members) <= set(range(MAX_PORTS)),
            "shared",
            f"groups of different ports 0..{MAX_PORTS - 1}",
        )
        together = self.shared_bytes_per_cycle
        need(
            least <= together <= (most if self.shared else math.inf),
            "shared_bytes_per_cycle",
            f"above 0, at most {most}",
        )
        need(1 <= self.write_latency < 1 << 20, "write_latency", "1..2^20-1 cycles")
        need(0 <= self.jitter < 1 << 20, "jitter", "0..2^20-1 cycles")
        need(0 <= self.refresh_period < 1 << 31, "refresh_period", "0..2^31-1 cycles")
        need(0 <= self.refresh_cycles <= self.refresh_period, "refresh_cycles", "0..refresh_period")
        need(1 <= self.outstanding <= MAX_OUTSTANDING, "outstanding", f"1..{MAX_OUTSTANDING}")
        need(0 <= self.stall < 1, "stall", "0 <= stall < 1")
        for field in ("silent_reads", "silent_writes"):
            named = set(getattr(self, field))
            need(named <= set(range(MAX_PORTS)), field, f"ports 0..{MAX_PORTS - 1}")

    @property
    def groups(self) -> tuple[int, ...]:
        """Of each port the first one that it shares a port of the controller with, itself if none."""
        first = {port: min(group) for group in self.shared for port in group}
        return tuple(first.get(port, port) for port in range(MAX_PORTS))

    @classmethod
    def of(cls, ddr: DdrConfig) -> Self:
        """The undisturbed memory that a hardware configuration assumes."""
        return cls(read_latency=ddr.read_latency, bytes_per_cycle=ddr.bytes_per_cycle)


@dataclass(frozen=True)
class Violation:
    """Something the design did wrong on an AXI port."""

    cycle: int
    port: int
    address: int
    what: str

    def __str__(self) -> str:
        return f"cycle {self.cycle}, port {self.port}, address {self.address:#x}: {self.what}"


@dataclass(frozen=True)
class OpenAccess:
    """What a port has been asked for and has not given: `bursts` read or written, `address` the next byte.

    waited: cycles since it last brought them on.
    """

    port: int
    write: bool
    address: int
    bursts: int
    waited: int

    def __str__(self) -> str:
        verb = "write" if self.write else "read"
        return (
            f"memory port {self.port} (m{self.port:02d}) has not answered a {verb} of {self.address:#x} for "
            f"{self.waited:,} cycles, bursts open: {self.bursts}; see that this port of the memory is "
            f"connected and enabled"
        )


@dataclass(frozen=True)
class Traffic:
    """Bytes moved: read by each port in use, and written (by port 0, the only one that writes)."""

    read: tuple[int, ...]
    written: int


def build_simulation(
    top: str,
    sources: Sequence[Path],
    *,
    include_dirs: Sequence[Path] = (),
    parameters: Mapping[str, int] | None = None,
    defines: Mapping[str, int] | None = None,
    waves: bool = False,
    assertions: bool = False,
    fast_clock: bool = False,
    cache_dir: Path | None = None,
    progress: Callable[[BuildProgress], None] | None = None,
) -> Path:
    """Build `top` with the harness of sim/, or take it from the cache.

    Args:
        top: a module with the pins of rtl/peritus_top.sv.
        sources: SystemVerilog files, packages first; sim/peritus_write_monitor.sv is added.
        waves: able to write FST files (slower, even while it does not write).
        assertions: the RTL's own assertions are checked, and what is undefined (x) is random.
        fast_clock: the top has a pin aclk2x, which is to have a clock of twice the frequency.
        cache_dir: default `peritus.resources.cache_dir()`.

    Returns:
        The library for `Simulation`.

    Raises:
        ToolchainError: as `peritus.eda.verilator.build.verilate`.
    """
    return verilate(
        top,
        [*sources, resource("sim/peritus_write_monitor.sv")],
        include_dirs=include_dirs,
        parameters=parameters,
        defines=defines,
        flags=CHECK_FLAGS if assertions else FAST_FLAGS,
        trace=waves,
        cpp_sources=[resource("sim/harness.cpp"), resource("sim/simulation.cpp")],
        cpp_include_dirs=[resource("sim")],
        cpp_flags=[
            *("-DVL_USER_STOP", "-DVL_USER_FINISH", "-DVL_USER_FATAL"),
            *(["-DFAST_CLOCK"] if fast_clock else []),
        ],
        cache_dir=cache_dir,
        progress=progress,
    )


class Simulation:
    """One instance of a Verilated design; use as a context manager or call close().

    Args:
        library: built by `peritus.eda.verilator.verilate` with the harness of sim/.
        memory: uint8 [size], C-contiguous and writable; the design's whole memory, used in place.
        base: bus address of memory[0].
        ports: AXI masters in use, 1..4.
        ddr: memory timing.
        power_up: what registers and on-chip memories hold; default: random by a new seed.

    The design is held in reset until `reset()`.

    Raises:
        SimulationError: a parameter is out of range.
    """

    def __init__(
        self,
        library: Path,
        memory: NDArray[np.uint8],
        *,
        base: int = 0,
        ports: int = MAX_PORTS,
        ddr: DdrParameters,
        power_up: PowerUp | None = None,
    ) -> None:
        self._handle: int | None = None
        if memory.dtype != np.uint8 or memory.ndim != 1 or not (memory.flags.carray):
            raise SimulationError(
                f"memory must be a flat, contiguous, writable uint8 array, is {memory.dtype} {memory.shape}"
            )
        if not 1 <= ports <= MAX_PORTS:
            raise SimulationError(f"ports = {ports}, must be 1..{MAX_PORTS}")
        self.ports = ports
        self.power_up = power_up or PowerUp.of("random")
        self._memory = memory  # keeps the array alive
        self._lib = load_library(library)
        config = Config(
            memory=memory.ctypes.data,
            base=base,
            size=memory.size,
            bandwidth=round(ddr.bytes_per_cycle / MIN_BANDWIDTH),
            port_bandwidth=tuple(round(rate / MIN_BANDWIDTH) for rate in ddr.port_bytes_per_cycle),
            shared_bandwidth=round(ddr.shared_bytes_per_cycle / MIN_BANDWIDTH) if ddr.shared else 0,
            group=ddr.groups,
            seed=ddr.seed,
            ports=ports,
            read_latency=ddr.read_latency,
            write_latency=ddr.write_latency,
            jitter=ddr.jitter,
            refresh_period=ddr.refresh_period,
            refresh_cycles=ddr.refresh_cycles,
            outstanding=ddr.outstanding,
            stall=round(ddr.stall * 256),
            silent_reads=sum(1 << port for port in set(ddr.silent_reads)),
            silent_writes=sum(1 << port for port in set(ddr.silent_writes)),
        )
        self._handle = self._lib.sim_create(ctypes.byref(config), self.power_up.number, self.power_up.seed)
        if not self._handle:
            raise SimulationError(f"cannot create the simulation: {self._lib.sim_creation_error().decode()}")

    def close(self) -> None:
        """Free the model; closes the waveform file."""
        if self._handle:
            self._lib.sim_destroy(self._handle)
            self._handle = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()

    def _open(self) -> int:
        if not self._handle:
            raise SimulationError("the simulation is closed")
        return self._handle

    def _check(self, status: int) -> Status:
        if status == Status.STOPPED:
            message = self._lib.sim_message(self._open()).decode()
            raise DesignStopped(f"cycle {self.cycles}: {message}{self.power_up.suffix}")
        return Status(status)

    def reset(self, cycles: int = RESET_CYCLES) -> None:
        """Pulse aresetn for `cycles` cycles; the memory's queues are emptied, its contents kept."""
        self._check(self._lib.sim_reset(self._open(), cycles))

    def read32(self, address: int, timeout_cycles: int = REGISTER_TIMEOUT_CYCLES) -> int:
        """One AXI-Lite read.

        Raises:
            RegisterTimeout: no answer within `timeout_cycles`. RegisterError: an error response.
        """
        data = ctypes.c_uint32()
        status = self._check(self._lib.sim_read32(self._open(), address, ctypes.byref(data), timeout_cycles))
        self._register_result(status, f"read of register {address:#x}", timeout_cycles)
        return data.value

    def write32(self, address: int, value: int, timeout_cycles: int = REGISTER_TIMEOUT_CYCLES) -> None:
        """One AXI-Lite write; value 0..2^32-1. Raises as read32 does."""
        if not 0 <= value < 1 << 32:
            raise SimulationError(f"register {address:#x}: value {value:#x} does not fit 32 bits")
        status = self._check(self._lib.sim_write32(self._open(), address, value, timeout_cycles))
        self._register_result(status, f"write of register {address:#x}", timeout_cycles)

    def _register_result(self, status: Status, what: str, timeout_cycles: int) -> None:
        if status is Status.TIMEOUT:
            raise RegisterTimeout(f"{what}: no answer in {timeout_cycles} cycles{self.power_up.suffix}")
        if status is Status.SLAVE_ERROR:
            raise RegisterError(f"{what}: error response{self.power_up.suffix}")

    def run(self, max_cycles: int) -> bool:
        """Run until the interrupt is high, at most `max_cycles` cycles; True if it is high."""
        return self._check(self._lib.sim_run(self._open(), max_cycles)) is Status.OK

    @property
    def irq(self) -> bool:
        """Level of the interrupt pin."""
        return bool(self._lib.sim_irq(self._open()))

    @property
    def cycles(self) -> int:
        """Clock cycles since creation, resets included."""
        return int(self._lib.sim_cycles(self._open()))

    def traffic(self) -> Traffic:
        """Bytes moved since creation."""
        read, written = (ctypes.c_uint64 * self.ports)(), ctypes.c_uint64()
        self._lib.sim_traffic(self._open(), read, ctypes.byref(written))
        return Traffic(tuple(read), written.value)

    def open_accesses(self) -> list[OpenAccess]:
        """Of each port and direction that has any, the longest wait first."""
        found = (RawOpenAccess * (2 * MAX_PORTS))()
        count = int(self._lib.sim_open_accesses(self._open(), found))
        now = self.cycles
        accesses = [
            OpenAccess(a.port, bool(a.write), a.address, a.bursts, now - a.since) for a in found[:count]
        ]
        return sorted(accesses, key=lambda access: -access.waited)

    def violations(self) -> tuple[list[Violation], int]:
        """The first protocol violations and accesses outside the memory, and how many there were in all."""
        found = (RawViolation * 64)()
        total = int(self._lib.sim_violations(self._open(), found, len(found)))
        texts = [self._lib.sim_fault_text(v.fault).decode() for v in found[:total]]
        return [Violation(v.cycle, v.port, v.address, t) for v, t in zip(found, texts, strict=False)], total

    def clear_violations(self) -> None:
        """Forget the violations so far."""
        self._lib.sim_clear_violations(self._open())

    def open_waves(self, path: Path) -> None:
        """Record every signal into an FST file from now on.

        Raises:
            SimulationError: the library was built without waveforms, or the file cannot be written.
        """
        if not path.parent.is_dir():
            raise SimulationError(f"cannot write waves to {path}: no such folder")
        status = self._check(self._lib.sim_open_waves(self._open(), str(path).encode()))
        if status is Status.NOT_TRACED:
            raise SimulationError("this simulator was built without waveforms")
        if status is not Status.OK:
            raise SimulationError(f"cannot write waves to {path}")

    def record_cycles(self, enable: bool = True) -> None:
        """Start (forgetting earlier records) or end the recording of what the machine is at."""
        self._lib.sim_trace_cycles(self._open(), enable)

    def changes(self) -> list[tuple[int, int, str]]:
        """Recorded changes: cycle, instruction and cause from there on (sim/peritus_cycle_monitor.sv)."""
        handle, count = self._open(), ctypes.c_uint64()
        first = self._lib.sim_changes(handle, ctypes.byref(count))
        names: list[str] = []
        while (name := self._lib.sim_cause_name(handle, len(names))) is not None:
            names.append(name.decode())
        return [(c.cycle, c.instruction, names[c.cause]) for c in first[: count.value]]

    def record_writes(self, enable: bool = True) -> None:
        """Start (forgetting earlier records) or end the recording of on-chip memory writes."""
        self._lib.sim_trace_writes(self._open(), enable)

    def written(self, memory: int) -> WriteRecords:
        """The recorded writes of memory number `memory` (sim/peritus_write_monitor.sv)."""
        words, record = ctypes.c_uint64(), ctypes.c_uint32()
        pointer = self._lib.sim_written(self._open(), memory, ctypes.byref(words), ctypes.byref(record))
        raw = np.ctypeslib.as_array(pointer, (words.value,)) if words.value else np.zeros(0, np.uint32)
        return WriteRecords.parse(raw, record.value)
