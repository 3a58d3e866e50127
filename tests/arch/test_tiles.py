# SPDX-License-Identifier: Apache-2.0
"""Rows of weight tiles in the stream."""

import numpy as np
import pytest

from peritus.arch.tiles import pack_rows, unpack_rows


@pytest.mark.parametrize("int4", [0, 1])
def test_rows_come_back(int4: int) -> None:
    limit = 8 if int4 else 128
    rows = np.random.default_rng(0).integers(-limit, limit, (3, 8, 16)).astype(np.int8)
    raw = pack_rows(rows, int4)
    assert raw.shape == (3, 8, 8 if int4 else 16)
    assert np.array_equal(unpack_rows(raw.reshape(3, -1), 16, int4), rows)


def test_four_rows_make_a_word() -> None:
    """Row after row, the first of two weights in the low half: what the tile loader takes apart."""
    rows = np.array([[1, 2, 3, 4], [-1, -2, -3, -4], [0, 7, 0, -8], [5, 0, 6, 0]], np.int8)
    assert pack_rows(rows, 1).tobytes().hex() == "2143efcd70800506"
