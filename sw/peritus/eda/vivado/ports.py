# SPDX-License-Identifier: Apache-2.0
"""The ports of peritus_top with their widths, and parameters of its parts, read from their SystemVerilog."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from peritus.arch.config import HwConfig
from peritus.codegen.configuration import constants
from peritus.eda.errors import ProjectError
from peritus.eda.sources import TOP

_LIST = re.compile(rf"^module {TOP}\b[^(#]*(?:#\(.*?^\) )?\((.*?)^\);", re.DOTALL | re.MULTILINE)
_COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
_PORT = re.compile(r"(input|output) +logic +(?:\[([^:\]]+):0\] *)?(\w+)")
_TERM = re.compile(r"\w+(?:\*\w+)?(?:-\d+)?")  # 11, ADDR_W-1, AXI_BYTES*8-1


@dataclass(frozen=True)
class Port:
    """One port; width in bits, None for a scalar."""

    direction: str
    name: str
    width: int | None


def top_ports(source: Path, hw: HwConfig) -> list[Port]:
    """Ports in order, widths evaluated for `hw`.

    Raises:
        ProjectError: the port list is not in the plain form that this reads.
    """
    body = _LIST.search(source.read_text())
    if body is None:
        raise ProjectError(f"{source}: no port list of module {TOP}")
    found = []
    for text in _COMMENT.sub("", body[1]).split(","):
        match = _PORT.fullmatch(" ".join(text.split()))
        if match is None:
            raise ProjectError(
                f"{source}: port {' '.join(text.split())!r} is not 'input|output logic [N:0] name'"
            )
        direction, high, name = match.groups()
        found.append(Port(direction, name, None if high is None else _value(high, hw, source) + 1))
    return found


def _value(text: str, hw: HwConfig, source: Path) -> int:
    """A product minus a number, of numbers and the configuration's constants."""
    compact = text.replace(" ", "")
    if not _TERM.fullmatch(compact):
        raise ProjectError(f"{source}: width {text!r} is not of the form A*B-1")
    known = constants(hw)
    product, _, less = compact.partition("-")
    value = 1
    for factor in product.split("*"):
        if not factor.isdigit() and factor not in known:
            raise ProjectError(f"{source}: width {text!r} uses {factor}, not a constant of the configuration")
        value *= int(factor) if factor.isdigit() else known[factor]
    return value - int(less or 0)


def parameter_default(source: Path, name: str) -> int:
    """Default of an integer parameter of the module in `source`; ProjectError if there is none."""
    match = re.search(rf"parameter int unsigned {name} = (\d+)\b", source.read_text())
    if match is None:
        raise ProjectError(f"{source}: no 'parameter int unsigned {name} = <number>'")
    return int(match[1])
