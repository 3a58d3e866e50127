# SPDX-License-Identifier: Apache-2.0
"""The picture being drawn: one visible surface per pixel, kept by z-test (a deferred-shading G-buffer)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.intp]

HEIGHT, WIDTH = 128, 256  # pixels of every generated scene
MAX_DEPTH = 80.0  # metres; farther surfaces and the sky are given this depth


class Frame:
    """Flat arrays, one entry per pixel in row-major order. Depth is along the optical axis, in metres."""

    def __init__(self) -> None:
        pixels = HEIGHT * WIDTH
        self.depth = np.full(pixels, np.inf, np.float32)
        self.label = np.zeros(pixels, np.uint8)
        self.albedo = np.zeros((3, pixels), np.float32)
        self.normal = np.zeros((3, pixels), np.float32)
        self.emission = np.zeros(pixels, np.float32)  # light that the surface gives off, times its albedo

    def put(
        self,
        pixels: Ints,
        depth: Floats,
        label: npt.NDArray[np.uint8] | int,
        albedo: Floats,
        normal: Floats,
        emission: Floats | float = 0.0,
    ) -> None:
        """Overwrite `pixels` (flat indices that passed the z-test). albedo, normal: [3, n]."""
        self.depth[pixels] = depth
        self.label[pixels] = label
        self.albedo[:, pixels] = albedo
        self.normal[:, pixels] = normal
        self.emission[pixels] = emission


def window(rows: tuple[int, int], columns: tuple[int, int]) -> Ints:
    """Flat indices [n] of the pixels of a rectangle; ends excluded."""
    return (np.arange(*rows)[:, None] * WIDTH + np.arange(*columns)).ravel()
