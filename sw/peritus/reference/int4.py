# SPDX-License-Identifier: Apache-2.0
"""4-bit weights in a file and in the weight stream: two per byte."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt


def pack_int4(values: npt.NDArray[np.int8]) -> npt.NDArray[np.uint8]:
    """Integers in -8..7 as uint8 [ceil(size / 2)]: in C order, the first of two in the low four bits.

    An odd count leaves the last four high bits 0.
    """
    nibbles = np.zeros(values.size + values.size % 2, np.uint8)
    nibbles[: values.size] = values.ravel().view(np.uint8) & 15
    return np.bitwise_or(nibbles[0::2], np.left_shift(nibbles[1::2], 4), dtype=np.uint8)


def unpack_int4(packed: npt.NDArray[Any], shape: Sequence[int]) -> npt.NDArray[np.int8]:
    """The inverse: int8 of this shape.

    Raises:
        ValueError: not uint8, or not as many bytes as the shape needs.
    """
    size = prod(shape)
    if packed.dtype != np.uint8 or packed.shape != ((size + 1) // 2,):
        raise ValueError(
            f"packed int4 tensor is {packed.dtype}{list(packed.shape)}, "
            f"must be uint8[{(size + 1) // 2}] for {size} values"
        )
    nibbles = np.stack((packed << 4, packed & 0xF0), axis=1).view(np.int8) >> 4  # >> extends the sign
    return np.ascontiguousarray(nibbles.ravel()[:size].reshape(shape))
