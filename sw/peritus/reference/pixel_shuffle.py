# SPDX-License-Identifier: Apache-2.0
"""From per-patch logits to a map."""

from __future__ import annotations

import numpy as np

from peritus.reference.arithmetic import I64, Ints


def pixel_shuffle(logits: Ints, rows: int, columns: int, scale: int) -> I64:
    """Depth to space: [rows columns, scale^2 C], channels (sy, sx, c) -> [rows scale, columns scale, C]."""
    grid = logits.astype(np.int64).reshape(rows, columns, scale, scale, -1)
    return np.ascontiguousarray(grid.transpose(0, 2, 1, 3, 4)).reshape(rows * scale, columns * scale, -1)
