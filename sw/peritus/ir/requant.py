# SPDX-License-Identifier: Apache-2.0
"""From real scale factors to integer multipliers and shifts."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from peritus.errors import PeritusError
from peritus.ir.ops import Requant
from peritus.reference.requantize import MAX_SHIFT, MIN_SHIFT


class ScaleError(PeritusError):
    """A scale factor is not positive and finite, or too large for a 16-bit multiplier."""


def requant(scale: npt.ArrayLike) -> Requant:
    """Nearest factors multiplier * 2^-shift to `scale`, with multipliers normalized to [2^15, 2^16).

    scale: float64 [channels] or scalar (gives one channel), positive, below 2^15. A scale below 2^-32 becomes
    0: with 26-bit accumulators its output is 0 anyway. Relative error at most 2^-16.
    """
    values = np.atleast_1d(np.asarray(scale, dtype=np.float64))
    if not (np.isfinite(values).all() and (values > 0).all()):
        raise ScaleError(
            f"scale factor {values[~(values > 0) | ~np.isfinite(values)][0]} is not positive and finite"
        )
    mantissa, exponent = np.frexp(values)  # values = mantissa * 2^exponent, mantissa in [0.5, 1)
    multiplier = np.rint(mantissa * 65536).astype(np.int64)
    carry = multiplier == 65536
    multiplier[carry] = 32768
    shift = 16 - exponent.astype(np.int64) - carry
    if (shift < MIN_SHIFT).any():
        raise ScaleError(f"scale factor {values.max()} is too large, the limit is below 2^{16 - MIN_SHIFT}")
    tiny = shift > MAX_SHIFT
    multiplier[tiny], shift[tiny] = 0, MIN_SHIFT
    return Requant(multiplier.astype(np.uint16), shift.astype(np.uint8))


def affine_norm(
    gamma: npt.ArrayLike, beta: npt.ArrayLike
) -> tuple[npt.NDArray[np.int16], npt.NDArray[np.int32], npt.NDArray[np.uint8]]:
    """LayerNorm constants (gamma int16, beta int32, shift uint8) from gamma / out_scale, beta / out_scale.

    gamma, beta: float64 [channels]. Each channel takes the largest shift at which gamma 2^(shift - 10) fits
    15 bits and beta 2^shift fits 31, at most 30.
    """
    g, b = np.asarray(gamma, dtype=np.float64), np.asarray(beta, dtype=np.float64)
    if not (np.isfinite(g).all() and np.isfinite(b).all()):
        raise ScaleError("LayerNorm gamma and beta must be finite")
    room_gamma = 25 - np.frexp(np.abs(g))[1]  # |gamma| 2^(shift - 10) < 2^15
    room_beta = 30 - np.frexp(np.abs(b))[1]
    shift = np.minimum(np.minimum(room_gamma, room_beta), 30)
    if (shift < MIN_SHIFT).any():
        raise ScaleError(
            f"LayerNorm gamma {np.abs(g).max()} or beta {np.abs(b).max()} is too large for its output scale"
        )
    gamma16 = np.rint(g * 2.0 ** (shift - 10)).clip(-32767, 32767).astype(np.int16)
    return gamma16, np.rint(b * 2.0**shift).astype(np.int32), shift.astype(np.uint8)
