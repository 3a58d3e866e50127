# SPDX-License-Identifier: Apache-2.0
"""Block RAM contents of a placed and routed ECP5 design, exchanged without placing it again.

rtl/link/memory_bank.sv leaves a mark in every bank, by which each column of each block RAM says which bit of
which bank it holds: it does not matter how synthesis cut the banks into block RAMs, or where they ended up.
"""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from peritus.toolchain.errors import ToolchainError

BANK_WORDS, WORD_BITS = 2048, 64  # rtl/link/memory_bank.sv
BANK_BYTES = BANK_WORDS * WORD_BITS // 8
NUMBER_ROWS, MARK_ROWS, MARK = 11, 64, 0x9E37_79B9_7F4A_7C15
RAM_BITS = 9  # a DP16KD of 2048 words
_BLOCK = re.compile(r"^\.bram_init (\d+)\n((?:[0-9a-f]{3}[ \n]+)+)", re.MULTILINE)
_PER_LINE = 8

_Words = NDArray[np.uint16]


class ImageMismatch(ToolchainError):
    """The design's block RAMs are not a memory, or not one of the image's size."""


def memory_bytes(config: str) -> int:
    """Size of the memory in a design as nextpnr writes it.

    Raises:
        ImageMismatch: a bit of the memory is missing or there twice.
    """
    found = sorted(number for block in _BLOCK.finditer(config) for number in _marks(_words(block)).values())
    if not found or len(found) % WORD_BITS or found != list(range(len(found))):
        raise ImageMismatch(
            f"the design has {len(set(found))} bits of memory words in {len(found)} block RAM columns; must "
            f"be a multiple of {WORD_BITS}, each once"
        )
    return len(found) // WORD_BITS * BANK_BYTES


def preload(config: str, image: NDArray[np.uint8]) -> str:
    """The design with another content of its memory; image: uint8 [memory_bytes(config)].

    Raises:
        ImageMismatch: as memory_bytes, or the image is of another size.
    """
    if (size := memory_bytes(config)) != image.size:
        raise ImageMismatch(f"an image of {image.size} bytes, the design has {size} bytes of memory")
    bits = np.unpackbits(image.reshape(-1, BANK_WORDS, WORD_BITS // 8), axis=2, bitorder="little")
    columns = bits.transpose(0, 2, 1).reshape(-1, BANK_WORDS).astype(np.uint16)  # [64 * bank + bit, row]

    def replace(block: re.Match[str]) -> str:
        words = _words(block)
        for bit, number in _marks(words).items():
            words = words & ~np.uint16(1 << bit) | columns[number] << bit
        return f".bram_init {block[1]}\n{_text(words)}"

    return _BLOCK.sub(replace, config)


def _words(block: re.Match[str]) -> _Words:
    return np.array([int(word, 16) for word in block[2].split()], np.uint16)


def _marks(words: _Words) -> dict[int, int]:
    """Bit of a block RAM -> the bit of memory that it holds, 64 * bank + bit; other block RAMs have none."""
    if words.size != BANK_WORDS:
        return {}
    mark = [MARK >> row & 1 for row in range(NUMBER_ROWS, MARK_ROWS)]
    found = {}
    for bit in range(RAM_BITS):
        rows = words[:MARK_ROWS] >> bit & 1
        if np.array_equal(rows[NUMBER_ROWS:], mark):
            found[bit] = int((rows[:NUMBER_ROWS] << np.arange(NUMBER_ROWS)).sum())
    return found


def _text(words: _Words) -> str:
    lines = (words[i : i + _PER_LINE] for i in range(0, words.size, _PER_LINE))
    return "".join(" ".join(f"{word:03x}" for word in line) + "\n" for line in lines) + "\n"
