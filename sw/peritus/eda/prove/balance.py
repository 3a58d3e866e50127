# SPDX-License-Identifier: Apache-2.0
"""Is a netlist a pipeline, each of its outputs so many registers behind every input that it depends on?

Then what comes out is a function of what went in as many cycles ago, and registers can be taken for wires.
"""

from __future__ import annotations

from typing import Any

from peritus.eda.errors import ToolchainError

_REGISTER, _CLOCK = "$_DFF_P_", "C"
_OUTPUT = "output"


class NotBalanced(ToolchainError):
    """Ways of different length meet, or a register feeds itself; names the cell."""


def depth(design: dict[str, Any], top: str) -> int:
    """Registers between the inputs of `top` and its outputs, in a flat netlist of single bits
    (Yosys's simplemap, write_json).

    Constants, and cells without a description (the models), have any depth.

    Raises:
        NotBalanced: see there.
    """
    module = design["modules"][top]
    known: dict[Any, int | None] = {}
    for port in module["ports"].values():
        if port["direction"] != _OUTPUT:
            known |= dict.fromkeys(port["bits"], 0)
    drivers: dict[Any, tuple[str, dict[str, Any]]] = {}
    for name, cell in module["cells"].items():
        for port, bits in cell["connections"].items():
            if cell["port_directions"].get(port) == _OUTPUT:
                drivers |= dict.fromkeys(bits, (name, cell))
    ports = [port for port in module["ports"].values() if port["direction"] == _OUTPUT]
    return max(_depth(bit, known, drivers) or 0 for port in ports for bit in port["bits"])


def _depth(
    start: Any, known: dict[Any, int | None], drivers: dict[Any, tuple[str, dict[str, Any]]]
) -> int | None:
    """Of one bit, by walking back; explicit stack, for pipelines are long."""
    stack, open_ = [start], set()
    while stack:
        bit = stack[-1]
        if bit in known or isinstance(bit, str) or bit not in drivers:
            known.setdefault(bit, None)
            stack.pop()
            continue
        name, cell = drivers[bit]
        sources = _sources(cell)
        missing = [source for source in sources if source not in known and source != bit]
        if bit in open_ or not missing:
            if missing or bit in sources:
                raise NotBalanced(f"{name} ({cell['type']}) depends on itself")
            known[bit] = _joined(name, cell, [known[source] for source in sources])
            open_.discard(bit)
            stack.pop()
            continue
        open_.add(bit)
        stack += missing
    return known[start]


def _sources(cell: dict[str, Any]) -> list[Any]:
    if not cell["type"].startswith("$"):
        return []
    return [
        bit
        for port, bits in cell["connections"].items()
        if cell["port_directions"][port] == "input" and not (cell["type"] == _REGISTER and port == _CLOCK)
        for bit in bits
    ]


def _joined(name: str, cell: dict[str, Any], depths: list[int | None]) -> int | None:
    found = sorted({depth for depth in depths if depth is not None})
    if len(found) > 1:
        raise NotBalanced(f"at {name} ({cell['type']}) ways of {found[0]} and {found[-1]} registers meet")
    if not found:
        return None
    return found[0] + int(cell["type"] == _REGISTER)
