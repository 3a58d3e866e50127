# SPDX-License-Identifier: Apache-2.0
"""Block RAM contents of a placed and routed ECP5 design, exchanged without placing it again.

rtl/link/peritus_memory_bank.sv leaves a mark in every bank, by which each column of each block RAM says which
bit of which bank it holds: it does not matter in which order synthesis took the bits, or where they ended up.
"""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from peritus.arch.link import BANK_WORDS, WORD_BYTES
from peritus.eda.errors import ToolchainError

WORD_BITS = 8 * WORD_BYTES
BANK_BYTES = BANK_WORDS * WORD_BYTES
NUMBER_ROWS, MARK_ROWS, MARK = 11, 64, 0x9E37_79B9_7F4A_7C15  # rtl/link/peritus_memory_bank.sv
RAM_COLUMNS = 2  # of a DP16KD of BANK_WORDS rows
_BLOCK = re.compile(r"^\.bram_init (\d+)\n((?:[0-9a-f]{3}[ \n]+)+)", re.MULTILINE)
_PER_LINE = 8

_Rows = NDArray[np.uint8]  # [BANK_WORDS, RAM_COLUMNS], 0 or 1


class ImageMismatch(ToolchainError):
    """The design's block RAMs are not a memory, or not one of the image's size."""


def memory_bytes(config: str) -> int:
    """Size of the memory in a design as nextpnr writes it.

    Raises:
        ImageMismatch: a bit of the memory is missing or there twice.
    """
    found = sorted(number for block in _BLOCK.finditer(config) for number in _marks(_rows(block)).values())
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
    bits = np.unpackbits(image.reshape(-1, BANK_WORDS, WORD_BYTES), axis=2, bitorder="little")
    columns = bits.transpose(0, 2, 1).reshape(-1, BANK_WORDS)  # [64 * bank + bit, row]

    def replace(block: re.Match[str]) -> str:
        rows = _rows(block)
        marks = _marks(rows)
        for column, number in marks.items():
            rows[:, column] = columns[number]
        return f".bram_init {block[1]}\n{_text(rows)}" if marks else block[0]

    return _BLOCK.sub(replace, config)


def contents(config: str) -> dict[int, NDArray[np.uint16]]:
    """Number of each block RAM in a design -> its content, nine bits a word."""
    return {int(block[1]): _words(block) for block in _BLOCK.finditer(config)}


def _words(block: re.Match[str]) -> NDArray[np.uint16]:
    return np.array([int(word, 16) for word in block[2].split()], np.uint16)


def _rows(block: re.Match[str]) -> _Rows:
    """A block RAM's content, row by row. This form has no parity: a word of nine bits holds eight."""
    return np.unpackbits(_words(block).astype(np.uint8), bitorder="little").reshape(-1, RAM_COLUMNS)


def _marks(rows: _Rows) -> dict[int, int]:
    """Column of a block RAM -> the bit of memory that it holds, 64 * bank + bit; others have none."""
    if len(rows) != BANK_WORDS:
        return {}
    mark = [MARK >> row & 1 for row in range(NUMBER_ROWS, MARK_ROWS)]
    powers = 1 << np.arange(NUMBER_ROWS)
    return {
        column: int((rows[:NUMBER_ROWS, column] * powers).sum())
        for column in range(RAM_COLUMNS)
        if np.array_equal(rows[NUMBER_ROWS:MARK_ROWS, column], mark)
    }


def _text(rows: _Rows) -> str:
    words = np.packbits(rows.reshape(-1), bitorder="little")
    lines = (words[i : i + _PER_LINE] for i in range(0, words.size, _PER_LINE))
    return "".join(" ".join(f"{word:03x}" for word in line) + "\n" for line in lines) + "\n"
