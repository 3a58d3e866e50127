# SPDX-License-Identifier: Apache-2.0
"""Integers to the bits of beats and back, whole streams at once."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from peritus.reference.arithmetic import I64, Ints

Words = npt.NDArray[np.uint32]


def pack(values: Ints, lanes: int, bits: int) -> Words:
    """Beats of `lanes` values of `bits` bits, two's complement, first value in the low bits.

    values: any shape, its last axis a multiple of lanes. Returns uint32 [beats, words].
    """
    flat = np.ascontiguousarray(values, dtype=np.int64).reshape(-1, lanes)
    raw = flat[..., None] >> np.arange(bits) & 1
    beats = raw.reshape(len(flat), lanes * bits).astype(np.uint8)
    words = -(-lanes * bits // 32)
    padded = np.pad(beats, ((0, 0), (0, 32 * words - lanes * bits)))
    return np.packbits(padded, axis=1, bitorder="little").view("<u4").astype(np.uint32)


def unpack(words: Words, lanes: int, bits: int, signed: bool) -> I64:
    """The inverse of `pack`: int64 [beats, lanes]."""
    raw = np.unpackbits(np.ascontiguousarray(words).view(np.uint8), axis=1, bitorder="little")
    weights = np.left_shift(np.int64(1), np.arange(bits, dtype=np.int64))
    if signed:
        weights[-1] = -weights[-1]
    found: I64 = raw[:, : lanes * bits].reshape(len(words), lanes, bits).astype(np.int64) @ weights
    return found


def words_of(beats: list[int], bits: int) -> Words:
    """Beats as FINN has them, one integer each, as words; OverflowError if one has more bits."""
    size = 4 * -(-bits // 32)
    data = b"".join(int(beat).to_bytes(size, "little") for beat in beats)
    return np.frombuffer(data, "<u4").astype(np.uint32).reshape(len(beats), size // 4)


def beats_of(words: Words) -> list[int]:
    """The inverse of `words_of`."""
    return [int.from_bytes(row.tobytes(), "little") for row in words]
