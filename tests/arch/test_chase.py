# SPDX-License-Identifier: Apache-2.0
"""A GEMM behind a LAYERNORM: every read, write and port is followed through time, cycle by cycle."""

from __future__ import annotations

from itertools import product

import pytest

from peritus.arch.chase import ISSUED, norm_latency, unread_rows
from peritus.arch.config import MIN_PASS, HwConfig, load_config
from peritus.arch.isa import Instruction, Opcode
from peritus.arch.units import at


def is_sound(hw: HwConfig, norm: Instruction, gemm: Instruction, first: int, unread: int) -> bool:
    """With the GEMM as early as it can be: cycle 0 is the read after which so many rows are unread."""
    words = norm.n_tiles
    taken = (norm.tokens - unread) * words - 1  # the word read in cycle 0
    read = {word: word - taken for word in range(norm.tokens * words)}
    written = {word: cycle + norm_latency(hw, words) for word, cycle in read.items()}
    length = max(gemm.tokens, MIN_PASS)
    for kb, row in product(range(gemm.k_tiles), range(gemm.tokens)):
        streamed = ISSUED + kb * length + row
        if written[(first + row) * words + kb // hw.slices] > streamed:
            return False
    results = ISSUED + (gemm.k_tiles - 1) * length + at("RESULT", hw.dsp_ratio)
    following = ISSUED + gemm.n_tiles * gemm.k_tiles * length
    return max(written.values()) < results and max(written.values()) <= following


@pytest.mark.parametrize("name", ["nano", "edge", "zcu104"])
def test_as_many_as_are_sound(name: str) -> None:
    hw = load_config(name)
    some = 0
    for tokens, words, less, first, n_tiles in product((9, 40, 129, 258), (1, 3), (0, 1, 64), (0, 1), (1, 3)):
        rows = tokens - less - first
        if rows < 1:
            continue
        norm = Instruction(Opcode.LAYERNORM, tokens=tokens, n_tiles=words)
        gemm = Instruction(Opcode.GEMM, tokens=rows, k_tiles=words * hw.slices, n_tiles=n_tiles)
        most = unread_rows(hw, norm, gemm, first)
        some += most > 0
        assert most == 0 or is_sound(hw, norm, gemm, first, most), f"{norm} {gemm} from {first}"
        assert most == tokens - 1 or not is_sound(hw, norm, gemm, first, most + 1), (
            f"{norm} {gemm} from {first}"
        )
    assert some > 5
