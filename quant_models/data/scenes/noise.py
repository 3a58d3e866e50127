# SPDX-License-Identifier: Apache-2.0
"""Cheap value noise: one tiled texture, computed once, looked up at any scale and offset."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

from quant_models.data.scenes.frame import Floats

TILE = 512  # texels per side, a power of two
OCTAVES = 6


def _octave(rng: np.random.Generator, cells: int) -> Floats:
    """Random lattice of cells x cells, smoothly interpolated to TILE x TILE, periodic."""
    lattice = rng.random((cells, cells), dtype=np.float32)
    position = np.arange(TILE, dtype=np.float32) * np.float32(cells / TILE)
    low = position.astype(np.intp)
    weight = position - low
    weight = weight * weight * (3 - 2 * weight)
    high = (low + 1) % cells
    rows = lattice[low] * (1 - weight)[:, None] + lattice[high] * weight[:, None]
    mixed: Floats = rows[:, low] * (1 - weight) + rows[:, high] * weight
    return mixed


@cache
def texture() -> Floats:
    """Fractal noise [TILE, TILE] in 0..1 with mean near 0.5: octaves of 8 to 256 cells, amplitude halving."""
    rng = np.random.Generator(np.random.PCG64(20_000))
    total = np.zeros((TILE, TILE), np.float32)
    for octave in range(OCTAVES):
        total += _octave(rng, 8 << octave) * np.float32(0.5**octave)
    total -= total.min()
    scaled: Floats = total / total.max()
    return scaled


@cache
def white() -> Floats:
    """Independent values [TILE, TILE], uniform in 0..1: one per brick, window or tile."""
    return np.random.Generator(np.random.PCG64(20_001)).random((TILE, TILE), dtype=np.float32)


def sample(table: Floats, x: Floats, y: Floats, scale: float, offset: int = 0) -> Floats:
    """Nearest texel at (x, y) * scale, shifted by `offset` texels; wraps around."""
    column = np.floor(x * np.float32(scale)).astype(np.int32) + offset
    row = np.floor(y * np.float32(scale)).astype(np.int32) + 7 * offset
    found: Floats = table.ravel().take((row & (TILE - 1)) * TILE + (column & (TILE - 1)))
    return found


def cell(ix: npt.NDArray[np.int32], iy: npt.NDArray[np.int32], offset: int) -> Floats:
    """One random value per integer cell."""
    found: Floats = white()[(iy + 7 * offset) & (TILE - 1), (ix + offset) & (TILE - 1)]
    return found
