# SPDX-License-Identifier: Apache-2.0
"""The simulated board: peritus_link_system (Verilated), its clock, and a serial adapter at its pins."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from pathlib import Path

from peritus.arch.config import HwConfig
from peritus.arch.link import BANK_WORDS, WORD_BYTES
from peritus.eda.sources import LINK_TOP, design_files, waivers
from peritus.eda.verilator.build import CHECK_FLAGS, FAST_FLAGS, BuildProgress, verilate
from peritus.resources import resource
from peritus.runtime.rtl.errors import DesignStopped, SimulationError
from peritus.runtime.rtl.harness import open_library
from peritus.runtime.rtl.power_up import PowerUp

CLOCKS_PER_BIT = 5  # a board has 25, 2 Mbaud at 50 MHz: most cycles of a frame would be those of its line
BANKS = 5  # of memory, as boards/ulx3s/peritus_ulx3s_top.sv has
MEMORY_BYTES = BANKS * BANK_WORDS * WORD_BYTES
BITS_PER_BYTE = 10
_READ_BYTES = 4096


def build_line(
    hw: HwConfig,
    *,
    assertions: bool = False,
    cache_dir: Path | None = None,
    progress: Callable[[BuildProgress], None] | None = None,
) -> Path:
    """The simulator of a board with configuration `hw`; ToolchainError if it cannot be built."""
    return verilate(
        LINK_TOP,
        [*design_files(LINK_TOP, hw), waivers()],
        parameters={"ClocksPerBit": CLOCKS_PER_BIT, "Banks": BANKS},
        defines={"ALWAYS_LOAD": 1},  # as it is synthesized
        flags=CHECK_FLAGS if assertions else FAST_FLAGS,
        cpp_sources=[resource("sim/link_harness.cpp")],
        cpp_include_dirs=[resource("sim")],
        cpp_flags=["-DVL_USER_STOP", "-DVL_USER_FINISH", "-DVL_USER_FATAL"],
        cache_dir=cache_dir,
        progress=progress,
    )


class SimulatedLine:
    """A Transport (peritus.runtime.serial) to a simulated board, whose time passes while something is read.

    Args:
        library: of build_line. clock_hz: of the design; converts time-outs. image: folder with the content of
            the memory (peritus.runtime.serial.image); default: as all else, by power_up.
        power_up: what registers and memories hold; default: random by a new seed. clocks_per_bit: of the
            adapter and of the library's design.

    Raises:
        SimulationError: the design stopped in reset.
    """

    def __init__(
        self,
        library: Path,
        clock_hz: float,
        image: Path | None = None,
        power_up: PowerUp | None = None,
        clocks_per_bit: int = CLOCKS_PER_BIT,
    ) -> None:
        self._handle: int | None = None
        self.power_up = power_up or PowerUp.of("random")
        self._clock_hz = clock_hz
        self.byte_s = BITS_PER_BYTE * clocks_per_bit / clock_hz
        self._lib = _load(library)
        folder = os.fsencode(image) if image is not None else b""
        power_up = self.power_up
        self._handle = self._lib.line_create(clocks_per_bit, folder, power_up.number, power_up.seed)
        if not self._handle:
            raise SimulationError(f"the simulated board stopped in reset{power_up.suffix}")

    def _open(self) -> int:
        if not self._handle:
            raise SimulationError("the simulated board is switched off")
        return self._handle

    def now(self) -> float:
        """Seconds of simulated time since power-up."""
        return self.cycles / self._clock_hz

    def write(self, data: bytes, timeout_s: float = 0.0) -> None:
        """Hand bytes to the adapter, which takes all at once; they leave it while something is read."""
        self._lib.line_send(self._open(), data, len(data))

    def read(self, timeout_s: float) -> bytes:
        """What has come within `timeout_s` of simulated time; DesignStopped if an assertion failed."""
        data = ctypes.create_string_buffer(_READ_BYTES)
        limit = max(0, round(timeout_s * self._clock_hz))
        count = self._lib.line_receive(self._open(), data, _READ_BYTES, limit)
        if count < 0:
            message = self._lib.line_message(self._open()).decode()
            raise DesignStopped(f"cycle {self.cycles}: {message}{self.power_up.suffix}")
        return data.raw[:count]

    @property
    def cycles(self) -> int:
        """Clock cycles since power-up."""
        return int(self._lib.line_cycles(self._open()))

    def close(self) -> None:
        """Switch the board off."""
        if self._handle:
            self._lib.line_destroy(self._handle)
            self._handle = None

    def __del__(self) -> None:
        self.close()


def _load(library: Path) -> ctypes.CDLL:
    lib = open_library(library)
    handle, u32, u64 = ctypes.c_void_p, ctypes.c_uint32, ctypes.c_uint64
    lib.line_create.restype, lib.line_create.argtypes = handle, [u32, ctypes.c_char_p, u32, u32]
    lib.line_destroy.restype, lib.line_destroy.argtypes = None, [handle]
    lib.line_send.restype, lib.line_send.argtypes = None, [handle, ctypes.c_char_p, ctypes.c_uint32]
    lib.line_receive.restype = ctypes.c_int
    lib.line_receive.argtypes = [handle, ctypes.c_char_p, ctypes.c_uint32, u64]
    lib.line_cycles.restype, lib.line_cycles.argtypes = u64, [handle]
    lib.line_message.restype, lib.line_message.argtypes = ctypes.c_char_p, [handle]
    return lib
