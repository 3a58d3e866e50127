# SPDX-License-Identifier: Apache-2.0
"""A pinhole camera. World: x right, y up, z along the street, metres; the camera stands above z = 0."""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, radians, sin, tan

import numpy as np

from quant_models.data.scenes.frame import HEIGHT, WIDTH, Floats

NEAR = 0.3  # metres; nothing nearer is drawn


@dataclass(frozen=True, eq=False)
class Camera:
    """origin [3]; axes [3, 3], rows: right, up, forward in the world; focal length in pixels."""

    origin: Floats
    axes: Floats
    focal: float

    def rays(self) -> Floats:
        """World direction [3, H * W] of each pixel centre, as long as makes the ray parameter the z-depth."""
        x = (np.arange(WIDTH, dtype=np.float32) + np.float32(0.5 - WIDTH / 2)) / np.float32(self.focal)
        y = (np.float32(HEIGHT / 2 - 0.5) - np.arange(HEIGHT, dtype=np.float32)) / np.float32(self.focal)
        right, up, forward = self.axes[:, :, None, None]
        rays: Floats = (right * x[None, None, :] + up * y[None, :, None] + forward).reshape(3, -1)
        return rays

    def to_camera(self, points: Floats) -> Floats:
        """World points [n, 3] in camera coordinates (right, up, forward) [n, 3]."""
        moved = points - self.origin
        seen: Floats = (moved[:, None, :] * self.axes[None]).sum(axis=2, dtype=np.float32)
        return seen

    def project(self, seen: Floats) -> Floats:
        """Pixel (column, row) [n, 2] of camera coordinates [n, 3]; forward must be positive."""
        scale = np.float32(self.focal) / seen[:, 2]
        return np.stack([WIDTH / 2 + seen[:, 0] * scale, HEIGHT / 2 - seen[:, 1] * scale], axis=1)

    def bounds(self, points: Floats) -> tuple[tuple[int, int], tuple[int, int]] | None:
        """Pixel rows and columns that the convex hull of world `points` may touch; None: out of sight."""
        seen = self.to_camera(points)
        front = seen[:, 2] >= NEAR
        if not front.any():
            return None
        kept = seen[front]
        if not front.all():  # add where the edges through the near plane cross it
            behind = seen[~front]
            step = (NEAR - behind[:, None, 2]) / (kept[None, :, 2] - behind[:, None, 2])
            crossing = behind[:, None] + step[..., None] * (kept[None] - behind[:, None])
            kept = np.concatenate([kept, crossing.reshape(-1, 3).astype(np.float32)])
            kept[:, 2] = np.maximum(kept[:, 2], NEAR)
        pixels = self.project(kept)
        (left, top), (right, bottom) = pixels.min(axis=0), pixels.max(axis=0)
        rows = (max(int(top) - 1, 0), min(int(bottom) + 2, HEIGHT))
        columns = (max(int(left) - 1, 0), min(int(right) + 2, WIDTH))
        if bottom < 0 or right < 0 or rows[0] >= rows[1] or columns[0] >= columns[1]:
            return None
        return rows, columns


def random_camera(rng: np.random.Generator, x: float, heading: float) -> Camera:
    """At lateral position x, 1.2 to 2.2 m above the ground, looking along the street give or take."""
    yaw = heading + rng.normal(0.0, 0.2 if rng.random() < 0.25 else 0.06)
    pitch = rng.normal(-0.03, 0.035)
    roll = rng.normal(0.0, 0.012)
    forward = np.array([sin(yaw) * cos(pitch), sin(pitch), cos(yaw) * cos(pitch)])
    level = np.array([cos(yaw), 0.0, -sin(yaw)])
    above = np.cross(forward, level)
    axes = np.stack([cos(roll) * level + sin(roll) * above, cos(roll) * above - sin(roll) * level, forward])
    focal = WIDTH / 2 / tan(radians(rng.uniform(52.0, 88.0)) / 2)
    origin = np.array([x, rng.uniform(1.2, 2.2), 0.0])
    return Camera(origin.astype(np.float32), axes.astype(np.float32), focal)
