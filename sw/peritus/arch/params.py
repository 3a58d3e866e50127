# SPDX-License-Identifier: Apache-2.0
"""The parameter block: what the epilogue (and LayerNorm) wants to know of the pn channels of an output word.

It travels in the weight stream, field after field, each with pn little-endian lanes:

    bias int32 | mult1 uint16 | shift1 uint8 | shift2 uint8 || mult2 uint16

What is behind || only blocks have that need it: those of GEMMs whose stage 2 has a factor by channel.
LayerNorm's block has beta in bias, gamma (int16) in mult1, its shift in shift1. The RTL's struct and word
numbers, the compiler's segments and the simulator's reader follow from FIELDS.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from peritus.arch.isa import Scale2
from peritus.reference.arithmetic import I64, Ints

Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class ParamField:
    """One field. dtype: of a lane, in NumPy's words. padding: value of lanes without a channel."""

    name: str
    dtype: str
    padding: int
    meaning: str

    @property
    def bytes(self) -> int:
        """Bytes of one lane."""
        return np.dtype(self.dtype).itemsize


FIELDS = (
    ParamField("bias", "<i4", 0, "added to the accumulator; LayerNorm: beta"),
    ParamField("mult1", "<u2", 0, "multiplier of stage 1; LayerNorm: gamma, int16"),
    ParamField("shift1", "u1", 1, "shift of stage 1; LayerNorm: shift"),
    ParamField("shift2", "u1", 1, "shift of stage 2"),
    ParamField("mult2", "<u2", 0, "multiplier of stage 2; only where that is by channel"),
)
_WORD_LANE_BYTES = 2  # a weight word is two rows of pn bytes


def param_word(name: str) -> int:
    """The weight word of a block in which field `name` begins (in its lower half, but for shift2)."""
    before = 0
    for field in FIELDS:
        if field.name == name:
            return before // _WORD_LANE_BYTES
        before += field.bytes
    raise KeyError(name)


def param_layout() -> list[tuple[str, str]]:
    """Names and types in their order: changes whenever old blocks would be read differently."""
    return [(field.name, field.dtype) for field in FIELDS]


PARAM_BLOCK_WORDS = param_word("mult2")  # weight words of one block, whatever pn is
STAGE2_WORDS = FIELDS[-1].bytes // _WORD_LANE_BYTES  # and these, if stage 2 is by channel


def block_words(scale2: Scale2) -> int:
    """Weight words of a block of a GEMM."""
    return PARAM_BLOCK_WORDS + (STAGE2_WORDS if scale2 is Scale2.CHANNEL else 0)


def _fields(stage2: bool) -> tuple[ParamField, ...]:
    """Of a block, with a factor of stage 2 by channel or without one."""
    return FIELDS if stage2 else FIELDS[:-1]


def pack_params(lanes: Mapping[str, Ints], positions: Ints, words: int, pn: int) -> Bytes:
    """Blocks of `words` output words, uint8 [words, bytes of one].

    lanes: values by field, one for each channel; a field left out is padding, and without mult2 blocks are
    the shorter ones. positions: lane of each channel. Padding has multiplier 0, so that it computes 0.
    """
    columns = []
    for field in _fields("mult2" in lanes):
        values = np.full(words * pn, field.padding, dtype=field.dtype)
        if field.name in lanes:
            values[positions] = lanes[field.name]
        columns.append(values.view(np.uint8).reshape(words, -1))
    return np.concatenate(columns, axis=1)


class Params:
    """Blocks taken apart: every field int64 [words * pn]. block: weight words of one."""

    def __init__(self, raw: Bytes, pn: int, block: int = PARAM_BLOCK_WORDS) -> None:
        rows = np.ascontiguousarray(raw.reshape(-1, block * _WORD_LANE_BYTES * pn))
        self._lanes: dict[str, I64] = {}
        start = 0
        for field in _fields(block > PARAM_BLOCK_WORDS):
            end = start + field.bytes * pn
            part = np.ascontiguousarray(rows[:, start:end])
            self._lanes[field.name] = part.view(field.dtype).reshape(-1).astype(np.int64)
            start = end

    def __getitem__(self, name: str) -> I64:
        """Lanes of a field of FIELDS that the blocks have."""
        return self._lanes[name]

    @property
    def gamma(self) -> I64:
        """LayerNorm's gamma, int16 in the place of mult1."""
        return self["mult1"].astype(np.uint16).view(np.int16).astype(np.int64)
