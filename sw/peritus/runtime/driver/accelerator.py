# SPDX-License-Identifier: Apache-2.0
"""The accelerator by its registers: identity, reset, windows, program, jobs, interrupt, errors, counters.

Knows no files and no buffers: addresses in, events out. Every wait has a limit.
"""

from __future__ import annotations

import functools
import operator
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from peritus.arch import registers as reg
from peritus.arch.config import ABI_VERSION, ADDRESS_BITS, HwConfig
from peritus.arch.registers import ErrorCause, Offset
from peritus.runtime.driver.errors import (
    BUILD_AGAIN,
    DeviceBusError,
    DeviceTimeout,
    ForeignDevice,
    GuardError,
    InstructionError,
    JobRefused,
    PortTimeout,
)
from peritus.runtime.driver.platform import Countdown, Limit, Platform
from peritus.runtime.errors import DeviceError

QUEUE_DEPTH = 2
# At what is in flight: a port that has bursts in all of them is stuck, when nothing else goes on.
_LOOKS = 100
RESET_TIMEOUT_S = 5.0  # it takes microseconds: the bursts in flight
_DONE = reg.IRQ_STATUS_DONE.mask
_ERROR = reg.IRQ_STATUS_ERROR.mask
_LOADED = reg.IRQ_STATUS_PROGRAM_LOADED.mask
_REFUSED = reg.IRQ_STATUS_REFUSED.mask
_IRQ_ALL = _DONE | _ERROR | _LOADED | _REFUSED
_COUNTERS = (
    Offset.CYCLES_HI,
    Offset.CYCLES_LO,
    Offset.ARRAY_BUSY,
    Offset.STALL_WEIGHT,
    Offset.STALL_WAIT,
    Offset.WR_BYTES,
)
_FEATURES = reg.JOB_FLAGS_FEATURES.mask
_SUBMIT = reg.JOB_SUBMIT_SUBMIT.mask
_GUARD_CAUSES = {
    ErrorCause.GUARD_PROGRAM,
    ErrorCause.GUARD_WEIGHTS,
    ErrorCause.GUARD_IMAGE,
    ErrorCause.GUARD_OUTPUT,
    ErrorCause.GUARD_FEATURES,
}
_BUS_CAUSES = {ErrorCause.BUS_PROGRAM, ErrorCause.BUS_WEIGHTS, ErrorCause.BUS_IMAGE, ErrorCause.BUS_WRITE}
_FETCH_CAUSES = {ErrorCause.GUARD_WEIGHTS, ErrorCause.BUS_WEIGHTS}  # their index is of a fetch entry


class Window(Enum):
    """A guard window: which buffer the device may reach for which purpose."""

    PROGRAM = "PROGRAM"
    WEIGHTS = "WEIGHTS"
    IMAGE = "IMAGE"
    OUTPUT = "OUTPUT"
    FEATURES = "FEATURES"


@dataclass(frozen=True)
class Place:
    """Where a job reads and writes, as register writes: made once, used for every frame in these buffers."""

    writes: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Counters:
    """Hardware counters of the last finished job; bytes as the device itself counts them."""

    cycles: int
    array_busy: int
    stall_weight: int
    stall_wait: int
    bytes_read: tuple[int, ...]
    bytes_written: int


def _address_writes(name: str, address: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """Register writes that set the pair NAME_LO, NAME_HI; DeviceError if the bus has no such address."""
    if not 0 <= address < 1 << ADDRESS_BITS:
        raise DeviceError(f"{name}: address {address:#x} does not fit {ADDRESS_BITS} bits")
    low, high = Offset[f"{name}_LO"], Offset[f"{name}_HI"]
    return (int(low), address & 0xFFFF_FFFF), (int(high), address >> 32)


class Accelerator:
    """The device behind `platform`, expected to be of configuration `hw`.

    Raises:
        ForeignDevice: ID, ABI version or configuration hash are not those of `hw`.
    """

    def __init__(self, platform: Platform, hw: HwConfig) -> None:
        self._platform = platform
        self._hw = hw
        self._describe: Callable[[int], str] = str
        ports = [Offset[f"RD_BYTES_{port}"] for port in range(hw.axi_ports)]
        self._counters = [int(offset) for offset in (*_COUNTERS, *ports)]
        self._identify()

    # --- registers ---

    def _read(self, offset: Offset) -> int:
        return self._platform.read32(offset)

    def _write(self, offset: Offset, value: int) -> None:
        self._platform.write32(offset, value)

    def _write_address(self, low: str, address: int) -> None:
        """Set a pair of registers NAME_LO, NAME_HI."""
        for offset, value in _address_writes(low, address):
            self._platform.write32(offset, value)

    def _read_wide(self, name: str) -> int:
        return self._read(Offset[f"{name}_HI"]) << 32 | self._read(Offset[f"{name}_LO"])

    # --- identity and reset ---

    def _identify(self) -> None:
        found = self._read(Offset.ID)
        if found != reg.ID_VALUE:
            raise ForeignDevice(
                f"device ID is {found:#010x}, expected {reg.ID_VALUE:#010x}: no accelerator there"
            )
        abi = self._read(Offset.ABI_VERSION)
        if abi != ABI_VERSION:
            raise ForeignDevice(f"device has ABI version {abi}, this driver has {ABI_VERSION}; {BUILD_AGAIN}")
        config = self._read_wide("CONFIG_HASH")
        if config != self._hw.hash64:
            raise ForeignDevice(
                f"device has configuration {config:#018x}, {self._hw.name} is {self._hw.hash64:#018x}; "
                f"{BUILD_AGAIN}, or open it with its own hw"
            )

    def reset(self) -> None:
        """Abandon everything: jobs, program, error. Memory accesses in flight are completed first.

        Raises:
            DeviceTimeout: the memory system does not complete them within RESET_TIMEOUT_S.
        """
        self._write(Offset.CONTROL, reg.CONTROL_SOFT_RESET.mask)
        deadline = time.monotonic() + RESET_TIMEOUT_S
        while reg.STATUS_RESETTING.of(self._read(Offset.STATUS)):
            if time.monotonic() > deadline:
                raise self._timeout(
                    f"soft reset: not done within {RESET_TIMEOUT_S:g} s, and it waits for nothing but "
                    f"memory ports that have not answered"
                )
        self._write(Offset.IRQ_STATUS, _IRQ_ALL)
        self._write(Offset.IRQ_ENABLE, _IRQ_ALL)

    # --- windows and program ---

    def set_window(self, window: Window, address: int, size: int) -> None:
        """Let the device reach [address, address + size) for one purpose, and nothing else for it."""
        self._write_address(f"GUARD_{window.value}_BASE", address)
        self._write_address(f"GUARD_{window.value}_LIMIT", address + size)

    def load_program(
        self,
        address: int,
        instructions: int,
        fetch_entries: int,
        weight_base: int,
        limit: Limit,
        describe: Callable[[int], str] = str,
    ) -> None:
        """Load `instructions` x 32 bytes, then `fetch_entries` x 8 bytes, from `address`.

        Args:
            weight_base: bus address of weight stripe 0.
            describe: text of an instruction by index, for error messages.

        Raises:
            DeviceError: the program is too large, or its read failed. DeviceTimeout: `limit` is over.
        """
        self._describe = describe
        self._write_address("PROGRAM_ADDR", address)
        self._write(Offset.PROGRAM_EXEC, instructions)
        self._write(Offset.PROGRAM_FETCH, fetch_entries)
        self._write_address("WEIGHT_BASE", weight_base)
        self._write(Offset.CONTROL, reg.CONTROL_LOAD_PROGRAM.mask)
        self._wait(_LOADED, Countdown(limit), limit, "loading the program")

    # --- jobs ---

    @staticmethod
    def place(image: int, output: int, features: int) -> Place:
        """Buffers of a job by their bus addresses, multiples of 64; `features`: for jobs that ask for them.

        Raises:
            DeviceError: an address does not fit the bus.
        """
        writes: list[tuple[int, int]] = []
        for name, address in (("IMAGE", image), ("OUTPUT", output), ("FEATURES", features)):
            writes += _address_writes(f"JOB_{name}", address)
        return Place(tuple(writes))

    def submit(self, place: Place, task: int, sequence: int, features: bool = False) -> None:
        """Put a job into the queue.

        task: by index. sequence: a number to know the job by, 32 bits. features: also write the features.

        Raises:
            JobRefused: QUEUE_DEPTH jobs are waiting already.
        """
        write = self._platform.write32
        waiting = reg.STATUS_QUEUE_LEVEL.of(self._read(Offset.STATUS))
        if waiting >= QUEUE_DEPTH:
            raise JobRefused(f"job {sequence}: {waiting} jobs are waiting, the queue holds {QUEUE_DEPTH}")
        for offset, value in place.writes:
            write(offset, value)
        write(Offset.JOB_TASK, task)
        write(Offset.JOB_FLAGS, _FEATURES if features else 0)
        write(Offset.JOB_SEQ, sequence)
        write(Offset.JOB_SUBMIT, _SUBMIT)

    def wait_done(self, limit: Limit, after: int | None = None) -> tuple[int, Counters]:
        """Wait until a job has finished; sequence number and counters of the last one that has.

        after: the number returned before. Jobs that finish close together can raise the interrupt once more
        for a job that has been reported already: not a reason to return.

        Raises:
            DeviceTimeout: `limit` is over; the message says where the sequencer is.
            GuardError, DeviceBusError, InstructionError: the device has stopped; reset() recovers it.
            JobRefused: a job was submitted while the device could not take it.
        """
        left = Countdown(limit)
        while True:
            self._wait(_DONE, left, limit, "waiting for a job")
            done = self._read(Offset.DONE_SEQ)
            while done != after:
                counters = self.counters()
                reported, done = done, self._read(Offset.DONE_SEQ)
                if done == reported:  # else the next job's counters came in between
                    return done, counters

    def _wait(self, event: int, left: Countdown, limit: Limit, what: str) -> None:
        """Wait for an interrupt cause and clear it."""
        while True:
            causes = self._read(Offset.IRQ_STATUS)
            if causes & _ERROR:
                raise self._error()
            if causes & _REFUSED:
                self._write(Offset.IRQ_STATUS, _REFUSED)
                raise JobRefused(f"{what}: the device refused the last command; {self.state()}")
            if causes:
                self._write(Offset.IRQ_STATUS, causes)
                if causes & event:
                    return  # else it was of something that was abandoned earlier
            if left.over:
                raise self._timeout(f"{what}: nothing within {limit}")
            self._platform.wait_interrupt(left)

    # --- diagnosis ---

    def state(self) -> str:
        """Where the sequencer is, for messages."""
        first, second = self._read(Offset.SEQ_STATE0), self._read(Offset.SEQ_STATE1)
        pc = reg.SEQ_STATE0_PC.of(first)
        states = (
            f"sequencer {reg.SEQ_STATE0_SEQUENCER.of(first)}, loader {reg.SEQ_STATE0_LOADER.of(first)}, "
            f"streamer {reg.SEQ_STATE1_STREAMER.of(second)}"
        )
        status = self._read(Offset.STATUS)
        return f"sequencer at instruction {self._describe(pc)}; states: {states}; status {status:#x}"

    def _timeout(self, message: str) -> DeviceTimeout:
        """A PortTimeout if memory ports are what the device waits for."""
        message = f"{message}; {self.state()}"
        looks = [self._read(Offset.SEQ_STATE1) for _ in range(_LOOKS)]
        stuck = functools.reduce(operator.and_, looks)
        ports = tuple(
            port for port in range(self._hw.axi_ports) if reg.SEQ_STATE1_READING.of(stuck) >> port & 1
        )
        write = bool(reg.SEQ_STATE1_WRITING.of(stuck))
        if not ports and not write:
            return DeviceTimeout(message)
        named = ", ".join(f"{port} (m{port:02d})" for port in ports)
        silent = f"reads of memory port {named}" if ports else "writes of memory port 0 (m00)"
        return PortTimeout(
            f"{silent} have had no answer; see that the port is connected and enabled; {message}",
            ports or (0,),
            write=not ports,
        )

    def _error(self) -> DeviceError:
        """The exception for what ERROR_CAUSE says."""
        word = self._read(Offset.ERROR_CAUSE)
        code = reg.ERROR_CAUSE_CAUSE.of(word)
        index = self._read(Offset.ERROR_INSTR)
        address = self._read_wide("ERROR_ADDR")
        try:
            cause = ErrorCause(code)
        except ValueError:
            return DeviceError(f"unknown error cause {code}; {self.state()}")
        where = f"fetch entry {index}" if cause in _FETCH_CAUSES else f"instruction {self._describe(index)}"
        text = reg.ERROR_CAUSE_TEXT[cause]
        if cause in _GUARD_CAUSES:
            window = Window[cause.name.removeprefix("GUARD_")].value
            low = self._read_wide(f"GUARD_{window}_BASE")
            high = self._read_wide(f"GUARD_{window}_LIMIT")
            message = f"{where}: {text}: address {address:#x}, window {low:#x}..{high:#x}"
            return GuardError(message, index, address)
        if cause in _BUS_CAUSES:
            return DeviceBusError(f"{where}: {text}: address {address:#x}", index, address)
        if cause is ErrorCause.CORE:
            code = reg.ERROR_CAUSE_CORE.of(word)
            known = code in list(reg.CoreError)
            reason = reg.CORE_ERROR_TEXT[reg.CoreError(code)] if known else f"unknown code {code}"
            return InstructionError(f"{where}: {text}: {reason}", index)
        return DeviceError(text)

    def counters(self) -> Counters:
        """Counters of the last finished job."""
        high, low, busy, stall_weight, stall_wait, written, *read = map(self._platform.read32, self._counters)
        return Counters(high << 32 | low, busy, stall_weight, stall_wait, tuple(read), written)
