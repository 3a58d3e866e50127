# SPDX-License-Identifier: Apache-2.0
"""From light to the bytes of a camera: lens, exposure, colour balance, noise, tone curve, compression."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from quant_models.data.scenes.frame import HEIGHT, WIDTH, Floats


def _blur(planes: Floats, weight: float) -> Floats:
    """Three-tap blur of [3, H, W] along both axes; `weight` of each neighbour."""
    w = np.float32(weight)
    padded = np.pad(planes, ((0, 0), (1, 1), (1, 1)), mode="edge")
    padded = padded[:, 1:-1] * (1 - 2 * w) + (padded[:, :-2] + padded[:, 2:]) * w
    mixed: Floats = padded[:, :, 1:-1] * (1 - 2 * w) + (padded[:, :, :-2] + padded[:, :, 2:]) * w
    return mixed


def expose(light: Floats, rng: np.random.Generator, dusk: bool) -> npt.NDArray[np.uint8]:
    """Picture [H, W, 3] of `light` [3, H * W]."""
    planes = _blur(light.reshape(3, HEIGHT, WIDTH), float(rng.uniform(0.09, 0.2)))
    target = float(rng.uniform(0.15, 0.27)) * (0.65 if dusk else 1.0)
    mean = float(planes[1].mean(dtype=np.float64))
    gain = target / max(mean, 0.02)
    balance = 1 + rng.normal(0.0, 0.035, (3, 1, 1))
    y = np.linspace(-0.5, 0.5, HEIGHT, dtype=np.float32)[:, None]
    x = np.linspace(-1, 1, WIDTH, dtype=np.float32)[None, :]
    vignette = 1 - (x * x + y * y) * np.float32(rng.uniform(0.0, 0.32))
    planes = planes * (gain * balance).astype(np.float32) * vignette
    shot, read = float(rng.uniform(0.004, 0.03)), float(rng.uniform(0.001, 0.008))
    grain = rng.standard_normal(planes.shape, dtype=np.float32)
    planes += grain * np.sqrt(np.maximum(planes, 0) * np.float32(shot**2) + np.float32(read**2))
    planes = np.maximum(planes, 0)
    planes = planes * (1 + planes * np.float32(0.15)) / (1 + planes * np.float32(0.3))  # soft shoulder
    planes = np.sqrt(np.minimum(planes, 1))
    contrast = float(rng.uniform(0.95, 1.2))
    planes = (planes - np.float32(0.45)) * np.float32(contrast) + np.float32(0.45)
    if rng.random() < 0.4:
        planes = _subsample_chroma(planes)
    levels = np.clip(planes * 255 + np.float32(0.5), 0, 255).astype(np.uint8)
    return np.ascontiguousarray(levels.transpose(1, 2, 0))


def _subsample_chroma(planes: Floats) -> Floats:
    """Colour at half the resolution, as JPEG and video keep it."""
    luma = np.float32(0.299) * planes[0] + np.float32(0.587) * planes[1] + np.float32(0.114) * planes[2]
    chroma = planes - luma
    blocks = chroma.reshape(3, HEIGHT // 2, 2, WIDTH // 2, 2).mean(axis=(2, 4))
    mixed: Floats = luma + blocks.repeat(2, axis=1).repeat(2, axis=2)
    return mixed
