# SPDX-License-Identifier: Apache-2.0
"""Every input of a small circuit: an and-inverter graph (AIGER), 64 inputs in a word."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from peritus.eda.errors import ToolchainError

MOST_INPUTS = 28
_CHUNK_BITS = 18  # inputs at once, as a power of two
_LOW = (
    0xAAAAAAAAAAAAAAAA, 0xCCCCCCCCCCCCCCCC, 0xF0F0F0F0F0F0F0F0,
    0xFF00FF00FF00FF00, 0xFFFF0000FFFF0000, 0xFFFFFFFF00000000,
)  # fmt: skip
Words = NDArray[np.uint64]


def differs(aiger: str) -> bool:
    """Is there an input with `assumed` and any bit of `differ` set? aiger: ASCII, with symbols.

    Raises:
        ToolchainError: it has registers, or more inputs than can be tried.
    """
    lines = aiger.splitlines()
    most, inputs, latches, outputs, ands = map(int, lines[0].split()[1:6])
    names = {
        w[0]: w[1] for w in (line.split(maxsplit=1) for line in lines if line[:1] in "io") if len(w) == 2
    }
    leaves = [int(line) for line in lines[1 : 1 + inputs]]
    results = [int(line) for line in lines[1 + inputs : 1 + inputs + outputs]]
    gates = [tuple(map(int, line.split())) for line in lines[1 + inputs + outputs :][:ands]]
    used = {literal >> 1 for gate in gates for literal in gate[1:]} | {literal >> 1 for literal in results}
    free = [leaf for leaf in leaves if leaf >> 1 in used]
    if latches or len(free) > MOST_INPUTS:
        raise ToolchainError(
            f"{latches} registers and {len(free)} inputs, must be 0 and {MOST_INPUTS} at most"
        )
    wanted = [names[f"o{n}"] for n in range(outputs)]
    for chunk in range(1 << max(0, len(free) - _CHUNK_BITS)):
        values: list[Words] = [np.zeros(1, np.uint64)] * (most + 1)
        for bit, leaf in enumerate(free):
            values[leaf >> 1] = _pattern(bit, chunk)
        for gate, left, right in gates:
            values[gate >> 1] = _of(values, left) & _of(values, right)
        found = {name: _of(values, literal) for name, literal in zip(wanted, results, strict=True)}
        wrong = [value for name, value in found.items() if name.startswith("differ")]
        if any((found["assumed"] & value).any() for value in wrong):
            return True
    return False


def _of(values: list[Words], literal: int) -> Words:
    value = values[literal >> 1]
    return ~value if literal & 1 else value


def _pattern(bit: int, chunk: int) -> Words:
    """Values of input `bit` over the inputs of a chunk."""
    if bit >= _CHUNK_BITS:
        return np.full(1, 0xFFFFFFFFFFFFFFFF if chunk >> (bit - _CHUNK_BITS) & 1 else 0, np.uint64)
    if bit < len(_LOW):
        return np.full(1, _LOW[bit], np.uint64)
    word = np.arange(1 << (_CHUNK_BITS - 6), dtype=np.uint64)
    ones = (word >> np.uint64(bit - 6) & np.uint64(1)).astype(np.bool_)
    return np.where(ones, np.uint64(0xFFFFFFFFFFFFFFFF), np.uint64(0))
