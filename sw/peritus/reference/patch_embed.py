# SPDX-License-Identifier: Apache-2.0
"""From camera pixels to patch vectors."""

from __future__ import annotations

import numpy as np

from peritus.reference.arithmetic import I64, Ints

PIXEL_ZERO_POINT = -128  # the integer that is 0 among patch vectors


def image_patches(image: Ints, patch: int) -> I64:
    """Patch vectors of an image, one row per patch in raster order, channels in (ky, kx, c) order.

    image: uint8 [H, W, C], H and W multiples of `patch`. Each pixel p becomes p XOR 0x80 read as int8, which
    is p - 128. Returns int8 values [(H / patch) (W / patch), C patch^2].
    """
    height, width, channels = image.shape
    grid = image.reshape(height // patch, patch, width // patch, patch, channels)
    rows = grid.transpose(0, 2, 1, 3, 4).reshape(-1, patch * patch * channels)
    return rows.astype(np.int64) + PIXEL_ZERO_POINT
