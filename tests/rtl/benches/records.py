# SPDX-License-Identifier: Apache-2.0
"""The configuration a bench runs on, and the packed structs of the packages as dictionaries.

Layouts come from the SystemVerilog packages themselves, so that benches follow the RTL.
"""

import re
from functools import cache

import cocotb

from peritus.arch.config import HwConfig, load_config
from peritus.codegen.configuration import ENUMS, constants, sv_package
from peritus.resources import resource

_STRUCT = re.compile(r"typedef struct packed \{(.*?)\}\s*(\w+);", re.S)
_FIELD = re.compile(r"^\s*(\w+)((?:\s*\[[^\]]*\])*)\s+(\w+(?:\s*,\s*\w+)*)\s*;", re.M)
_RANGE = re.compile(r"\[\s*(\w+)\s*(?:-\s*(\d+)\s*)?:\s*0\s*\]")


def bench_config() -> HwConfig:
    """The configuration in the file that plusarg `hw` names."""
    return load_config(str(cocotb.plusargs["hw"]))


class Record:
    """One packed struct: `pack` makes the number a port carries, `unpack` takes it apart (all unsigned)."""

    def __init__(self, name: str, hw: HwConfig) -> None:
        self.widths = _layouts(hw)[name]
        self.bits = sum(self.widths.values())

    def pack(self, **values: int) -> int:
        """Fields not given are 0; a value is cut to its field's width (so negative numbers work)."""
        unknown = set(values) - set(self.widths)
        assert not unknown, f"no such fields: {unknown}"
        word = 0
        for field, width in self.widths.items():
            word = word << width | (int(values.get(field, 0)) & ((1 << width) - 1))
        return word

    def unpack(self, word: int) -> dict[str, int]:
        fields = {}
        for field, width in reversed(self.widths.items()):
            fields[field] = word & ((1 << width) - 1)
            word >>= width
        return fields


@cache
def _layouts(hw: HwConfig) -> dict[str, dict[str, int]]:
    """Struct -> field -> width, most significant field first."""
    numbers = {**constants(hw), "LANES_W": hw.pn.bit_length()}
    kinds = {"logic": 1, **{f"{prefix.lower()}_e": bits for _, prefix, bits in ENUMS}}
    layouts: dict[str, dict[str, int]] = {}
    text = re.sub(r"//.*", "", sv_package(hw) + resource("rtl/common/peritus_core_pkg.sv").read_text())
    for body, name in _STRUCT.findall(text):
        layout: dict[str, int] = {}
        for kind, ranges, fields in _FIELD.findall(body):
            width = kinds[kind]
            for high, less in _RANGE.findall(ranges):
                width *= (numbers[high] if high in numbers else int(high)) - int(less or 0) + 1
            layout.update({field.strip(): width for field in fields.split(",")})
        kinds[name] = sum(layout.values())
        layouts[name] = layout
    return layouts


def lanes(values: list[int], bits: int) -> int:
    """A packed array: element 0 in the lowest bits."""
    mask = (1 << bits) - 1
    return sum((int(v) & mask) << (bits * i) for i, v in enumerate(values))


def unlanes(word: int, count: int, bits: int, *, signed: bool = True) -> list[int]:
    """Inverse of `lanes`."""
    mask, half = (1 << bits) - 1, 1 << (bits - 1)
    values = [word >> (bits * i) & mask for i in range(count)]
    return [v - (mask + 1) if signed and v >= half else v for v in values]
