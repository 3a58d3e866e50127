# SPDX-License-Identifier: Apache-2.0
"""How far behind a LAYERNORM the GEMM may be that streams its rows: bounds from the pipeline's latencies.

LAYERNORM reads a residual word per cycle and writes it norm_latency cycles later; the array takes a row per
cycle. So a GEMM may begin while rows are still unread, if it never overtakes. Compiler and verifier ask the
same function.
"""

from __future__ import annotations

from peritus.arch.config import MIN_PASS, HwConfig
from peritus.arch.isa import Instruction
from peritus.arch.units import at, latency

# Cycles from the read after which the next instruction may begin to the first row that the array can take:
# done, pad, read, wait, decode, drain, dispatch, queue, accept, issue.
ISSUED = 10


def norm_latency(hw: HwConfig, words: int) -> int:
    """Cycles from the read of a word to its write, in rows of so many words."""
    statistics = latency("norm_stats", lanes=hw.pn)
    return words + 2 + statistics + latency("norm_replay") + latency("norm_lanes")


def unread_rows(hw: HwConfig, norm: Instruction, gemm: Instruction, first: int) -> int:
    """Most rows of a LAYERNORM that may be unread when the GEMM begins that streams its rows from `first` on.

    Returns: 0 where it must wait for the end. The GEMM's last row must be written before it is streamed; no
    result of the GEMM may meet a write or read of the LAYERNORM at a memory's port; and what follows the GEMM
    finds it all done.
    """
    words, rows = norm.n_tiles, gemm.tokens
    later = norm_latency(hw, words)
    length = max(rows, MIN_PASS)
    behind = (norm.tokens - first - rows + 1) * words  # words from the last row's first one to the end
    most = min(
        ISSUED + rows - 2 + behind - later,
        ISSUED + (gemm.k_tiles - 1) * length + at("RESULT", hw.dsp_ratio) - 1 - later,
        ISSUED + gemm.n_tiles * gemm.k_tiles * length - later,
    )
    return max(0, min(most // words, norm.tokens - 1))
