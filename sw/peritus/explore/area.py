# SPDX-License-Identifier: Apache-2.0
"""Blocks of an UltraScale+ device that a configuration needs, by arithmetic: in no time, for many of them.

The counts are those of the synthesis estimate (docs/estimate.md, peritus.eda.yosys.estimate) where that has
been made; tests/explore compares. A configuration to be built deserves that estimate.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import ceil

from peritus.arch.config import ACC_BITS, RESIDUAL_BITS, HwConfig
from peritus.arch.isa import EXEC_BITS, FETCH_BITS
from peritus.eda.errors import DoesNotFit

ULTRA_BITS, ULTRA_WORDS = 72, 4096  # of an UltraRAM; a shallower ring is block RAM (weight_store.sv)
DISTRIBUTED_WORDS = 64  # what asks for nothing and is no deeper becomes LUT RAM
_HALF_SHAPES = (
    (36, 512),
    (18, 1024),
    (9, 2048),
    (4, 4096),
    (2, 8192),
    (1, 16384),
)  # of a RAMB18: bits, words
# Multipliers beside the array: of each lane (requantization, LayerNorm), and of all (router, statistics).
LANE_MULTIPLIERS, OTHER_MULTIPLIERS = 5, 19


@dataclass(frozen=True)
class Area:
    """dsp: DSP48E2. uram: URAM288. bram: RAMB36, a RAMB18 is half of one."""

    dsp: int
    uram: int
    bram: float


# Of the boards' devices (AMD DS890, DS987).
DEVICES = {"xczu7ev": Area(1728, 96, 312), "xck26": Area(1248, 64, 144)}
_KINDS = {"dsp": "DSP48E2", "uram": "URAM288", "bram": "RAMB36"}


def area_of(hw: HwConfig) -> Area:
    """An estimate for a configuration."""
    multipliers = hw.macs_per_cycle // (2 * hw.dsp_ratio)
    dsp = multipliers + LANE_MULTIPLIERS * hw.pn + OTHER_MULTIPLIERS
    chunk = min(hw.axi_data_bytes, hw.pk)  # of a word of activations, written by itself
    uram = hw.pn // chunk * ultra_blocks(8 * chunk, hw.act_words)
    ring_bits = 8 * hw.weight_word_bytes
    bram = (
        block_blocks(8 * hw.pn, hw.kv_words)
        + hw.slices * block_blocks(16 * hw.pk, hw.score_words)
        + block_blocks(RESIDUAL_BITS * hw.pn, hw.residual_words)
        + block_blocks(EXEC_BITS, hw.program_depth)
        + block_blocks(FETCH_BITS, hw.fetch_depth)
    )
    uram += _banks(ring_bits, hw.resident_words - hw.resident_block_words)
    bram += block_blocks(ring_bits, hw.resident_block_words)
    if hw.weight_store_words >= ULTRA_WORDS:
        uram += _banks(ring_bits, hw.weight_store_words)
    else:
        bram += block_blocks(ring_bits, hw.weight_store_words)
    if hw.acc_depth > DISTRIBUTED_WORDS:
        entry = hw.acc_depth.bit_length() + 16  # token and score
        bram += block_blocks(ACC_BITS * hw.pn, hw.acc_depth) + hw.max_experts * block_blocks(
            entry, hw.acc_depth
        )
        bram += hw.pn / 8 + 2  # row maxima and sums, replay, tables
    return Area(dsp, uram, bram)


def check_part(hw: HwConfig, part: str) -> None:
    """DoesNotFit if a configuration needs more blocks than the device of a part's name has."""
    device = part.partition("-")[0]
    if device not in DEVICES:
        return
    needs, has = asdict(area_of(hw)), asdict(DEVICES[device])
    over = [f"{needs[kind]:g} {_KINDS[kind]} of {has[kind]}" for kind in _KINDS if needs[kind] > has[kind]]
    if over:
        raise DoesNotFit(
            f"hardware {hw.name} does not fit an {device.upper()}: {', '.join(over)}; make the array (pk, pn)"
            f" or memories (act_words, weight_store_words, resident_words, ...) smaller"
        )


def ultra_blocks(bits: int, words: int) -> int:
    """URAM288 of a memory: whole columns, and what is left over packed."""
    columns, rest = divmod(bits, ULTRA_BITS)
    return columns * ceil(words / ULTRA_WORDS) + ceil(rest * words / (ULTRA_BITS * ULTRA_WORDS))


def _banks(bits: int, words: int) -> int:
    """URAM288 of a memory in banks of an UltraRAM's words (peritus_ram_1r1w.sv): each is packed by itself."""
    whole, rest = divmod(words, ULTRA_WORDS)
    return whole * ultra_blocks(bits, ULTRA_WORDS) + ultra_blocks(bits, rest)


def block_blocks(bits: int, words: int) -> float:
    """RAMB36 of a memory, in the shape that needs fewest."""
    return min(ceil(bits / width) * ceil(words / depth) for width, depth in _HALF_SHAPES) / 2
