# SPDX-License-Identifier: Apache-2.0
"""Pragmas are comments to all compilers but Vitis': are they spelled as UG1399 has them, and say why?"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

# Options of each, as in "pragma HLS ..." of UG1399 (2022.1 and later); values are constants ("Using Constants
# with Pragmas"), names, or these.
OPTIONS = {
    "ARRAY_PARTITION": {"variable", "type", "dim", "factor"},
    "ARRAY_RESHAPE": {"variable", "type", "dim", "factor"},
    "DATAFLOW": set(),
    "DEPENDENCE": {"variable", "type", "false"},
    "INLINE": {"off"},
    "INTERFACE": {"mode", "port", "bundle", "offset", "max_read_burst_length"},
    "LOOP_TRIPCOUNT": {"min", "max"},
    "PIPELINE": {"II"},
    "STREAM": {"variable", "depth"},
    "UNROLL": set(),
}
VALUES = {
    "mode": {"m_axi", "s_axilite", "axis", "ap_ctrl_none"},
    "type": {"complete", "inter"},
    "offset": {"slave"},
}
# What these are for is the same everywhere: lanes side by side; no block of its own; for the report only.
PLAIN = {"UNROLL", "INLINE", "LOOP_TRIPCOUNT"}
PRAGMA = re.compile(r"^\s*#pragma (.*)$")


def complaints(text: str) -> Iterator[str]:
    """What is wrong with the pragmas of a source."""
    before = ""
    for number, line in enumerate(text.splitlines(), 1):
        found = PRAGMA.match(line)
        if found is not None and found[1] != "once":
            body, _, reason = found[1].partition("//")
            word, kind, *options = body.split()
            if word != "HLS" or kind not in OPTIONS:
                yield f"{number}: no pragma {body}"
                continue
            for option in options:
                name, _, value = option.partition("=")
                if name not in OPTIONS[kind] or not re.fullmatch(r"[\w:.]*", value):
                    yield f"{number}: {kind} has no option {option}"
                elif name in VALUES and value not in VALUES[name]:
                    yield f"{number}: {name} is {value}"
            if kind not in PLAIN and not reason.strip() and not before.lstrip().startswith(("//", "#pragma")):
                yield f"{number}: {kind} says no reason"
        before = line


def test_all_pragmas(repository: Path) -> None:
    sources = [p for p in (repository / "hls").rglob("*.?pp") if "proof" not in p.parts]
    assert sum("#pragma HLS" in path.read_text() for path in sources) > 8
    assert [f"{p.name}:{found}" for p in sources for found in complaints(p.read_text())] == []


@pytest.mark.parametrize(
    "line",
    [
        "#pragma HLS PIPLINE II=1 // why",
        "#pragma HSL UNROLL",
        "#pragma HLS PIPELINE ii=1 // why",
        "#pragma HLS ARRAY_PARTITION variable=a complete // why",
        "#pragma HLS ARRAY_PARTITION variable=a type=all // why",
        "#pragma HLS INTERFACE mode=maxi port=a // why",
        "#pragma HLS UNROLL factor=2 + 2",
        "#pragma HLS PIPELINE II=1",
    ],
)
def test_what_is_wrong_is_found(line: str) -> None:
    assert len(list(complaints(f"int a;\n{line}"))) >= 1
