# SPDX-License-Identifier: Apache-2.0
"""The control map of the HLS twin's IP: where Vitis HLS has put start, done, addresses, job and status.

Vitis writes it as defines into a header of the exported IP, x<function>_hw.h (UG1399, S_AXILITE Control
Register Map). Nothing is assumed of the places: they differ between versions of Vitis.
"""

from __future__ import annotations

import ctypes
import re
from dataclasses import dataclass
from pathlib import Path

from peritus.runtime.errors import DeviceError
from peritus.runtime.hls.library import Job, Status

ADDRESS_BITS = 64
BUFFERS = ("program", "fetches", "weights", "image", "result", "features")  # arguments of peritus_top
WORD_BITS = 32
_BITS = dict.fromkeys(BUFFERS, ADDRESS_BITS) | {
    "job": 8 * ctypes.sizeof(Job),
    "status": 8 * ctypes.sizeof(Status),
}
# What is a keyword of an HDL gets _r behind it.
_DEFINE = re.compile(
    r"^#define\s+\w+?_(ADDR|BITS)_(\w+?)(?:_R)?(?:_DATA)?\s+(0x[0-9a-fA-F]+|\d+)\s*$", re.MULTILINE
)


class ControlMapError(DeviceError):
    """A header is not of the twin's control map; names the argument and what it lacks."""


@dataclass(frozen=True)
class ControlMap:
    """Byte offsets: control, the register of start and done; arguments by name, the first of their words."""

    control: int
    arguments: dict[str, int]

    @classmethod
    def read(cls, header: Path) -> ControlMap:
        """From x<function>_hw.h; ControlMapError if it cannot be read, else as parse()."""
        try:
            return cls.parse(header.read_text())
        except (OSError, UnicodeDecodeError) as error:
            raise ControlMapError(f"the control map {header} cannot be read: {error}") from error

    @classmethod
    def parse(cls, header: str) -> ControlMap:
        """From the text of the header.

        Raises:
            ControlMapError: an argument is missing or of another width, or places overlap.
        """
        defines = {(kind, name.lower()): int(text, 0) for kind, name, text in _DEFINE.findall(header)}
        if ("ADDR", "ap_ctrl") not in defines:
            raise ControlMapError("the control map has no AP_CTRL: is it the x..._hw.h of the exported IP?")
        control = defines["ADDR", "ap_ctrl"]
        places, taken = {}, {control: "AP_CTRL"}
        for name, bits in _BITS.items():
            place, found = defines.get(("ADDR", name)), defines.get(("BITS", name))
            if place is None or found != bits:
                raise ControlMapError(f"the control map has {found or 'no'} bits of {name}, must be {bits}")
            for offset in range(place, place + bits // 8, WORD_BITS // 8):
                if offset % (WORD_BITS // 8) or offset in taken:
                    at = taken.get(offset, "no whole word")
                    raise ControlMapError(f"the control map has {name} at {offset:#x}: {at}")
                taken[offset] = name
            places[name] = place
        return cls(control, places)
