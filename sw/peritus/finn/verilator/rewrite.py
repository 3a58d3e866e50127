# SPDX-License-Identifier: Apache-2.0
"""Other words for what Verilator refuses in FINN's sources, put in when a design is built; FINN's files stay.

Every rule says the same as what it replaces, and the reason names what Verilator 5.048 does not take. A rule
whose text does not occur changes nothing: then Verilator says what it does not like.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from dataclasses import dataclass

Match = re.Match[str]


@dataclass(frozen=True)
class Rule:
    """Where `pattern` occurs in a file of this name (a pattern, too), `replacement` is put."""

    file: str
    pattern: str
    replacement: str | Callable[[Match], str]
    reason: str


def _singles(found: Match) -> str:
    """The decimal numbers of a table as the bits of 32-bit floats."""
    return found[1] + re.sub(r"-?\d+\.\d+", lambda number: _bits(float(number[0])), found[2])


def _bits(value: float) -> str:
    return f"32'h{struct.unpack('<I', struct.pack('<f', value))[0]:08x}"


RULES = (
    Rule(
        r"(fifo|requant)\.sv",
        r"typedef struct \{",
        "typedef struct packed {",
        "a constant function gives structs that are packed only (verilator/verilator#3826)",
    ),
    Rule(
        r"\w+_impl\.sv",
        r"(localparam shortreal\s+\w+\[PE\]\[CF\]\s*=)([^;]*;)",
        _singles,
        "shortreal is taken for real, of which $shortrealtobits gives other bits",
    ),
    Rule(r"(requant|requant_axi|\w+_impl)\.sv", r"\bshortreal\b", "bit [31:0]", "the same"),
    Rule(r"requant\.sv", r"\$shortrealtobits\b", "", "the same"),
    Rule(
        r"requant\.sv",
        r"typedef params_t\s+params_mat_t\[PE\]\[CF\];",
        "typedef params_t [PE-1:0][CF-1:0] params_mat_t;",
        "a constant function does not write elements of an unpacked array of two dimensions",
    ),
    Rule(
        r"requant\.sv",
        r"sm\[0\+:25-MUL_WIDTHS\.s\] != 0",
        "25'(sm << MUL_WIDTHS.s) != 0",
        "a part of no bits is refused, though the condition in front of it is false then",
    ),
    Rule(
        r"skid\.sv",
        r'(exceeds SRL capacity\.")\)',
        r"\1, FEED_STAGES)",
        "the message has a place for a number and is given none",
    ),
    Rule(
        r"inner_shuffle\.sv",
        r"\b(?:packed_)?rotidx_vec_t'\((RdPat|rd_pat_forwarded_packed)\)",
        r"{>>{\1}}",
        "no cast between packed and unpacked arrays",
    ),
    Rule(
        r"add_multi\.sv",
        r"(?s)(\tuwire \[SUM_WIDTH-1:0\]  sum0;.*?)(\t\ttypedef int unsigned  leaf_load_t.*?"
        r"endfunction : init_leaf_loads\n)",
        r"\2\1",
        "a constant function stands in a generate block, where IEEE 1800 13.4.3 allows none",
    ),
)


def rewritten(name: str, text: str) -> str:
    """The text of the source file `name` after all rules that are for it."""
    for rule in RULES:
        if re.fullmatch(rule.file, name):
            text = re.sub(rule.pattern, rule.replacement, text)
    return text
