# SPDX-License-Identifier: Apache-2.0
"""The IP that Vitis HLS would make of the twin, played: its control map around the compiled C++, a memory."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from peritus.arch.config import HwConfig
from peritus.eda.csim import twin_library
from peritus.runtime.driver.platform import BUFFER_ALIGNMENT, Countdown
from peritus.runtime.hls.control_map import BUFFERS, ControlMap
from peritus.runtime.hls.library import Job, Status, load_library

# As Vitis HLS 2022.1 writes such headers: a reserved word behind an input, a control word behind an output.
HEADER = """\
// control
// 0x00 : Control signals
//        bit 0  - ap_start (Read/Write/COH)
#define XPERITUS_TOP_CONTROL_ADDR_AP_CTRL 0x00
#define XPERITUS_TOP_CONTROL_ADDR_GIE 0x04
#define XPERITUS_TOP_CONTROL_ADDR_IER 0x08
#define XPERITUS_TOP_CONTROL_ADDR_ISR 0x0c
#define XPERITUS_TOP_CONTROL_ADDR_PROGRAM_R_DATA 0x10
#define XPERITUS_TOP_CONTROL_BITS_PROGRAM_R_DATA 64
#define XPERITUS_TOP_CONTROL_ADDR_FETCHES_DATA 0x1c
#define XPERITUS_TOP_CONTROL_BITS_FETCHES_DATA 64
#define XPERITUS_TOP_CONTROL_ADDR_WEIGHTS_DATA 0x28
#define XPERITUS_TOP_CONTROL_BITS_WEIGHTS_DATA 64
#define XPERITUS_TOP_CONTROL_ADDR_IMAGE_DATA 0x34
#define XPERITUS_TOP_CONTROL_BITS_IMAGE_DATA 64
#define XPERITUS_TOP_CONTROL_ADDR_RESULT_DATA 0x40
#define XPERITUS_TOP_CONTROL_BITS_RESULT_DATA 64
#define XPERITUS_TOP_CONTROL_ADDR_FEATURES_DATA 0x4c
#define XPERITUS_TOP_CONTROL_BITS_FEATURES_DATA 64
#define XPERITUS_TOP_CONTROL_ADDR_JOB_DATA 0x58
#define XPERITUS_TOP_CONTROL_BITS_JOB_DATA 288
#define XPERITUS_TOP_CONTROL_ADDR_STATUS_DATA 0x80
#define XPERITUS_TOP_CONTROL_BITS_STATUS_DATA 128
#define XPERITUS_TOP_CONTROL_ADDR_STATUS_CTRL 0x90
"""
_START, _DONE, _IDLE = 1, 2, 4
_BASE = 0x1_0000_0000  # addresses need more than one word
_BYTES = 1 << 22


@dataclass
class Part:
    """A peritus.runtime.driver.platform.Buffer in the memory. Caches: what is not flushed is not there."""

    memory: NDArray[np.uint8]
    offset: int
    array: NDArray[np.uint8]

    @property
    def address(self) -> int:
        return _BASE + self.offset

    @property
    def _behind(self) -> NDArray[np.uint8]:
        return self.memory[self.offset : self.offset + len(self.array)]

    def flush(self) -> None:
        self._behind[:] = self.array

    def invalidate(self) -> None:
        self.array[:] = self._behind

    def part(self, start: int, size: int) -> Part:
        return Part(self.memory, self.offset + start, self.array[start : start + size])

    def free(self) -> None:
        self.array[:] = 0xEE


class PlayedIp:
    """peritus.runtime.driver.platform.Platform. polls: so many looks at AP_CTRL until a job is done."""

    def __init__(self, hw: HwConfig, control: ControlMap, polls: int = 3) -> None:
        self.control, self._polls = control, polls
        self._lib = load_library(twin_library(hw))
        self._machine = self._lib.hls_create()
        self._words: dict[int, int] = {}
        self._memory = np.zeros(_BYTES, np.uint8)
        self._used = 0
        self._left: int | None = None  # looks until it is done; None: idle
        self._status = Status()
        self.jobs: list[Job] = []

    def close(self) -> None:
        self._lib.hls_destroy(self._machine)

    def allocate(self, size: int) -> Part:
        part = Part(self._memory, self._used, np.zeros(size, np.uint8))
        self._used += -(-size // BUFFER_ALIGNMENT) * BUFFER_ALIGNMENT
        assert self._used <= _BYTES
        return part

    def wait_interrupt(self, left: Countdown) -> None:
        raise AssertionError("the driver polls")

    def write32(self, offset: int, value: int) -> None:
        if offset == self.control.control and value & _START:
            self._run()
        else:
            assert 0 <= value < 1 << 32
            self._words[offset] = value

    def read32(self, offset: int) -> int:
        """AP_CTRL counts down to done, which the read clears; the status is there from then on."""
        if offset != self.control.control:
            index = (offset - self.control.arguments["status"]) // 4
            return int(np.frombuffer(bytes(self._status), "<u4")[index])
        if self._left is None:
            return _IDLE
        self._left -= 1
        if self._left > 0:
            return _START
        self._left = None
        return _DONE | _IDLE

    def _value(self, argument: str, words: int) -> bytes:
        place = self.control.arguments[argument]
        return np.array([self._words[place + 4 * n] for n in range(words)], "<u4").tobytes()

    def _run(self) -> None:
        pointers = [self._memory.ctypes.data + self._address(name) for name in BUFFERS]
        job = Job.from_buffer_copy(self._value("job", ctypes.sizeof(Job) // 4))
        self.jobs.append(job)
        self._lib.hls_run(self._machine, *pointers, ctypes.byref(job), ctypes.byref(self._status))
        self._left = self._polls

    def _address(self, name: str) -> int:
        address = int.from_bytes(self._value(name, 2), "little") - _BASE
        assert 0 <= address < _BYTES
        return address
