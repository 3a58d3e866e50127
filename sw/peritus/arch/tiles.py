# SPDX-License-Identifier: Apache-2.0
"""Rows of a weight tile as they travel in the weight stream.

A row is a tile's input channel: pn weights, one for each output channel. int8: pn bytes, two rows in a weight
word. int4: pn / 2 bytes, four rows in a word (peritus.reference.int4 says which half of a byte comes first).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from peritus.arch.params import Bytes
from peritus.reference.int4 import pack_int4, unpack_int4

I8 = NDArray[np.int8]


def pack_rows(rows: I8, int4: bool | int) -> Bytes:
    """Rows int8 [..., pn] to bytes [..., pn or pn / 2]; int4: all within -8..7."""
    if not int4:
        return np.ascontiguousarray(rows).view(np.uint8)
    return pack_int4(rows).reshape(*rows.shape[:-1], rows.shape[-1] // 2)


def unpack_rows(raw: Bytes, pn: int, int4: bool | int) -> I8:
    """The inverse: bytes [..., n] to int8 [..., rows, pn]."""
    shape = (*raw.shape[:-1], raw.shape[-1] * (2 if int4 else 1) // pn, pn)
    if not int4:
        return np.ascontiguousarray(raw).view(np.int8).reshape(shape)
    return unpack_int4(raw.reshape(-1), shape)
