# SPDX-License-Identifier: Apache-2.0
"""The accelerator by its registers: identity, reset, windows, program, jobs, interrupt, errors, counters.

Knows no files and no buffers: addresses in, events out. Every wait has a limit.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from peritus.driver.errors import (
    DeviceBusError,
    DeviceError,
    DeviceTimeout,
    ForeignDevice,
    GuardError,
    InstructionError,
    JobRefused,
)
from peritus.driver.platform import Limit, Platform
from peritus.hw import registers as reg
from peritus.hw.config import ABI_VERSION, ADDRESS_BITS, HwConfig
from peritus.hw.registers import ErrorCause, Offset

QUEUE_DEPTH = 2
RESET_TIMEOUT_S = 5.0  # it takes microseconds: the bursts in flight
_IRQ_ALL = (
    reg.IRQ_STATUS_DONE.mask
    | reg.IRQ_STATUS_ERROR.mask
    | reg.IRQ_STATUS_PROGRAM_LOADED.mask
    | reg.IRQ_STATUS_REFUSED.mask
)
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
class Job:
    """One frame: bus addresses (multiples of 64), the task, and a number to know it by (32 bits)."""

    image: int
    output: int
    features: int | None
    task: int
    sequence: int


@dataclass(frozen=True)
class Counters:
    """Hardware counters of the last finished job; bytes as the device itself counts them."""

    cycles: int
    array_busy: int
    stall_weight: int
    stall_wait: int
    bytes_read: tuple[int, ...]
    bytes_written: int


class Accelerator:
    """The device behind `platform`, expected to be of configuration `hw`.

    Raises:
        ForeignDevice: ID, ABI version or configuration hash are not those of `hw`.
    """

    def __init__(self, platform: Platform, hw: HwConfig) -> None:
        self._platform = platform
        self._hw = hw
        self._describe: Callable[[int], str] = str
        self._identify()

    # --- registers ---

    def _read(self, offset: Offset) -> int:
        return self._platform.read32(offset)

    def _write(self, offset: Offset, value: int) -> None:
        self._platform.write32(offset, value)

    def _write_address(self, low: str, address: int) -> None:
        """Set a pair of registers NAME_LO, NAME_HI."""
        if not 0 <= address < 1 << ADDRESS_BITS:
            raise DeviceError(f"{low}: address {address:#x} does not fit {ADDRESS_BITS} bits")
        self._write(Offset[f"{low}_LO"], address & 0xFFFF_FFFF)
        self._write(Offset[f"{low}_HI"], address >> 32)

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
            raise ForeignDevice(f"device has ABI version {abi}, this driver has {ABI_VERSION}")
        config = self._read_wide("CONFIG_HASH")
        if config != self._hw.hash64:
            raise ForeignDevice(
                f"device has configuration {config:#018x}, {self._hw.name} is {self._hw.hash64:#018x}"
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
                raise DeviceTimeout(f"soft reset: not done within {RESET_TIMEOUT_S:g} s; {self.state()}")
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
        self._wait(reg.IRQ_STATUS_PROGRAM_LOADED.mask, limit, "loading the program")

    # --- jobs ---

    def submit(self, job: Job) -> None:
        """Put a job into the queue.

        Raises:
            JobRefused: QUEUE_DEPTH jobs are waiting already.
        """
        waiting = reg.STATUS_QUEUE_LEVEL.of(self._read(Offset.STATUS))
        if waiting >= QUEUE_DEPTH:
            raise JobRefused(f"job {job.sequence}: {waiting} jobs are waiting, the queue holds {QUEUE_DEPTH}")
        self._write_address("JOB_IMAGE", job.image)
        self._write_address("JOB_OUTPUT", job.output)
        self._write_address("JOB_FEATURES", job.features or 0)
        self._write(Offset.JOB_TASK, job.task)
        self._write(Offset.JOB_FLAGS, reg.JOB_FLAGS_FEATURES.word(job.features is not None))
        self._write(Offset.JOB_SEQ, job.sequence)
        self._write(Offset.JOB_SUBMIT, reg.JOB_SUBMIT_SUBMIT.mask)

    def wait_done(self, limit: Limit) -> int:
        """Wait until another job has finished; the sequence number of the last one that has.

        Raises:
            DeviceTimeout: `limit` is over; the message says where the sequencer is.
            GuardError, DeviceBusError, InstructionError: the device has stopped; reset() recovers it.
            JobRefused: a job was submitted while the device could not take it.
        """
        self._wait(reg.IRQ_STATUS_DONE.mask, limit, "waiting for a job")
        return self._read(Offset.DONE_SEQ)

    def _wait(self, event: int, limit: Limit, what: str) -> None:
        """Wait for an interrupt cause and clear it."""
        deadline = time.monotonic() + limit.seconds
        while True:
            in_time = self._platform.wait_interrupt(limit)
            causes = self._read(Offset.IRQ_STATUS)
            if causes & reg.IRQ_STATUS_ERROR.mask:
                raise self._error()
            if causes & reg.IRQ_STATUS_REFUSED.mask:
                self._write(Offset.IRQ_STATUS, reg.IRQ_STATUS_REFUSED.mask)
                raise JobRefused(f"{what}: the device refused the last command; {self.state()}")
            if causes & event:
                self._write(Offset.IRQ_STATUS, event)
                return
            if not in_time or time.monotonic() > deadline:
                raise DeviceTimeout(f"{what}: nothing within {limit}; {self.state()}")
            self._write(Offset.IRQ_STATUS, causes)  # of something that was abandoned earlier

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
        ports = range(self._hw.axi_ports)
        return Counters(
            cycles=self._read_wide("CYCLES"),
            array_busy=self._read(Offset.ARRAY_BUSY),
            stall_weight=self._read(Offset.STALL_WEIGHT),
            stall_wait=self._read(Offset.STALL_WAIT),
            bytes_read=tuple(self._read(Offset[f"RD_BYTES_{port}"]) for port in ports),
            bytes_written=self._read(Offset.WR_BYTES),
        )
