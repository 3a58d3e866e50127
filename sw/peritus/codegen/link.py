# SPDX-License-Identifier: Apache-2.0
"""rtl/generated/peritus_link_pkg.sv, from peritus.arch.link."""

from __future__ import annotations

from peritus.arch import link as protocol
from peritus.arch.link import Command, Status
from peritus.codegen.text import banner

_BYTES = ("FLAG", "ESCAPE", "ESCAPE_XOR")
_WORDS = ("VERSION", "MAGIC", "CRC_INIT", "CRC_RESIDUE")
_SIZES = (
    "CRC_BYTES",
    "WORD_BYTES",
    "BANK_WORDS",
    "REGISTER_BYTES",
    "MAX_WORDS",
    "REQUEST_BYTES",
    "ANSWER_BYTES",
    "IRQ_BIT",
)


def link_package() -> str:
    """SystemVerilog package of the protocol's constants."""
    lines = [
        banner("//"),
        "// Frames between host and board: sw/peritus/arch/link.py, docs/link.md.",
        "package peritus_link_pkg;",
        *(f"  localparam logic [7:0] {name} = 8'h{getattr(protocol, name):02x};" for name in _BYTES),
        *(f"  localparam logic [31:0] {name} = 32'h{getattr(protocol, name):08x};" for name in _WORDS),
        *(f"  localparam int unsigned {name} = {getattr(protocol, name)};" for name in _SIZES),
        "",
        *_enum("command_e", "CMD", Command),
        "",
        *_enum("status_e", "STATUS", Status),
        "endpackage",
    ]
    return "\n".join(lines) + "\n"


def _enum(name: str, prefix: str, values: type[Command] | type[Status]) -> list[str]:
    body = ",\n".join(f"    {prefix}_{value.name} = 8'd{value.value}" for value in values)
    return ["  typedef enum logic [7:0] {", body, f"  }} {name};"]
