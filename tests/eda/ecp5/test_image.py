# SPDX-License-Identifier: Apache-2.0
"""Bundles in block RAM: found by their marks in a placed design, exchanged bit by bit."""

from __future__ import annotations

import re

import numpy as np
import pytest
from numpy.typing import NDArray

from peritus.arch.link import BANK_WORDS
from peritus.eda.board import load_board
from peritus.eda.ecp5.board import check_timing, ecp5_settings
from peritus.eda.ecp5.image import (
    BANK_BYTES,
    MARK,
    MARK_ROWS,
    NUMBER_ROWS,
    RAM_COLUMNS,
    WORD_BITS,
    ImageMismatch,
    memory_bytes,
    preload,
)
from peritus.eda.ecp5.pnr_report import read_report
from peritus.eda.errors import BoardFileError, TimingNotMet

BANKS = 2


def block(number: int, words: NDArray[np.uint16]) -> str:
    """As nextpnr writes it."""
    lines = [" ".join(f"{word:03x}" for word in words[i : i + 8]) for i in range(0, len(words), 8)]
    return f".bram_init {number}\n" + "\n".join(lines) + "\n\n"


def words(rows: NDArray[np.uint8]) -> NDArray[np.uint16]:
    """Rows of two bits as nextpnr's words: four rows in the lower eight of nine bits, lowest first."""
    return np.packbits(rows.reshape(-1), bitorder="little").astype(np.uint16)


def design(banks: int, order: list[int] | None = None) -> str:
    """A design with other block RAM and, cut into columns of two bits in any order, marked banks."""
    rows = np.arange(MARK_ROWS)
    numbers = np.array(order if order is not None else range(banks * WORD_BITS), np.int64)
    mark = np.array([MARK >> row & 1 for row in range(MARK_ROWS)])
    marks = np.where(rows < NUMBER_ROWS, numbers[:, None] >> np.minimum(rows, NUMBER_ROWS) & 1, mark)
    text = ".device LFE5U-85F\n\n" + block(0, np.arange(BANK_WORDS // 4, dtype=np.uint16) & 0x1FF)
    for index, start in enumerate(range(0, len(numbers), RAM_COLUMNS)):
        content = np.zeros((BANK_WORDS, RAM_COLUMNS), np.uint8)
        columns = marks[start : start + RAM_COLUMNS]
        content[:MARK_ROWS, : len(columns)] = columns.T
        text += block(index + 1, words(content))
    return text + ".tile EBR\nenum: EBR0.MODE DP16KD\n"


def blocks(config: str) -> list[NDArray[np.uint16]]:
    found = re.findall(r"\.bram_init \d+\n([^.]*)", config)
    return [np.array([int(word, 16) for word in text.split()], np.uint16) for text in found]


@pytest.mark.parametrize("shuffled", [False, True])
def test_each_bit_goes_where_its_mark_is(shuffled: bool) -> None:
    generator = np.random.default_rng(1)
    order = generator.permutation(BANKS * WORD_BITS) if shuffled else np.arange(BANKS * WORD_BITS)
    config = design(BANKS, list(order))
    assert memory_bytes(config) == BANKS * BANK_BYTES
    image = generator.integers(0, 256, BANKS * BANK_BYTES, dtype=np.uint8)
    result = preload(config, image)
    before, after = blocks(config), blocks(result)
    assert np.array_equal(before[0], after[0]), "other block RAM stays"
    content = image.view("<u8").reshape(BANKS, BANK_WORDS)
    for place, number in enumerate(order):
        rows = np.unpackbits(after[1 + place // RAM_COLUMNS].astype(np.uint8), bitorder="little")
        column = rows.reshape(BANK_WORDS, RAM_COLUMNS)[:, place % RAM_COLUMNS]
        assert np.array_equal(
            column, content[number // WORD_BITS] >> np.uint64(number % WORD_BITS) & np.uint64(1)
        )
    assert re.sub(r"[0-9a-f]{3}[ \n]", "", result) == re.sub(r"[0-9a-f]{3}[ \n]", "", config)


def test_what_is_no_memory_of_this_size() -> None:
    image = np.zeros(BANKS * BANK_BYTES, np.uint8)
    with pytest.raises(ImageMismatch, match=f"{BANK_BYTES} bytes of memory"):
        preload(design(1), image)
    with pytest.raises(ImageMismatch, match="127 bits"):
        preload(design(BANKS, [*range(5), 4, *range(6, 128)]), image)
    with pytest.raises(ImageMismatch, match="0 bits"):
        memory_bytes(design(0))
    with pytest.raises(ImageMismatch, match="must be a multiple"):
        memory_bytes(preload(design(BANKS), image))


def report(reached: float) -> dict[str, object]:
    """The form of nextpnr's --report, one step of each kind."""
    ends = {
        "from": {"cell": "a", "loc": [1, 1], "port": "Q"},
        "to": {"cell": "b", "loc": [1, 2], "port": "D"},
    }
    sites = ("TRELLIS_COMB", "TRELLIS_FF", "DP16KD", "MULT18X18D", "EHXPLLL", "TRELLIS_IO")
    return {
        "fmax": {"clk": {"achieved": reached, "constraint": 50}},
        "utilization": {name: {"used": 1, "available": 4} for name in sites},
        "critical_paths": [
            {"from": "posedge clk", "to": "<async>", "path": [{"delay": 99.0, "type": "logic", **ends}]},
            {
                "from": "posedge clk",
                "to": "posedge clk",
                "path": [
                    {"delay": 0.5, "type": "clk-to-q", **ends},
                    {"delay": 1.25, "type": "routing", **ends},
                    {"delay": 0.0, "type": "setup", **ends},
                ],
            },
        ],
    }


def test_timing_is_checked() -> None:
    met = read_report(report(50.0))
    check_timing(met)
    assert met.utilization["block RAM"] == (1, 4)
    assert met.record()["clocks"][0]["met"] is True
    with pytest.raises(TimingNotMet, match=r"clk reaches 49\.9 MHz, must be 50\.0; slowest"):
        check_timing(read_report(report(49.9)))
    assert read_report(report(49.9)).clocks[0].slowest == ("0.50 ns b", "1.75 ns b")
    with pytest.raises(TimingNotMet, match="no clock"):
        check_timing(read_report({**report(50.0), "fmax": {}}))


def test_the_board_is_described() -> None:
    board = load_board("ulx3s")
    assert ecp5_settings(board).target.device == "85k"
    with pytest.raises(BoardFileError, match="must be 'ecp5'"):
        ecp5_settings(load_board("zcu104"))
