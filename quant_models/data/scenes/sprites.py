# SPDX-License-Identifier: Apache-2.0
"""Upright figures drawn parallel to the picture plane: people, crowns of trees, poles and signs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from quant_models.data.scenes.camera import NEAR, Camera
from quant_models.data.scenes.frame import HEIGHT, WIDTH, Floats, Frame, window


@dataclass(frozen=True, eq=False)
class Figure:
    """What a painter makes of the n points asked for.

    keep [n]: where the figure is. bump [n]: metres that its surface stands out of its plane, towards the
    camera. tilt: normal components along u and v [n] each, in -1..1; the rest faces the camera.
    """

    keep: npt.NDArray[np.bool_]
    label: npt.NDArray[np.uint8] | int
    albedo: Floats
    bump: Floats | None = None
    tilt: tuple[Floats, Floats] | None = None
    emission: Floats | None = None


Painter = Callable[[Floats, Floats, float], Figure]


@dataclass(frozen=True, eq=False)
class Sprite:
    """Stands on the ground at (x, z); `reach` metres to each side, `height` metres up.

    paint(u, v, pixel): u metres to the right of the foot, v metres above it, `pixel` metres per pixel.
    """

    x: float
    z: float
    reach: float
    height: float
    paint: Painter


def draw_sprite(frame: Frame, camera: Camera, sprite: Sprite) -> None:
    """Paint the pixels of the sprite's bounding rectangle that are nearer than what is there."""
    foot = camera.to_camera(np.array([[sprite.x, 0.0, sprite.z]], np.float32))
    depth = float(foot[0, 2])
    if depth < 1.5:
        return
    column, row = (float(v) for v in camera.project(foot)[0])
    pixel = depth / camera.focal
    up_x, up_y = float(camera.axes[0, 1]), float(camera.axes[1, 1])  # the world's up in the picture
    size = (up_x * up_x + up_y * up_y) ** 0.5
    up_x, up_y = up_x / size, up_y / size
    tip = column + up_x * sprite.height / pixel
    margin = sprite.reach / pixel + 2
    columns = (max(int(min(column, tip) - margin), 0), min(int(max(column, tip) + margin), WIDTH))
    rows = (max(int(row - sprite.height / pixel - 3), 0), min(int(row + 0.05 * margin + 2), HEIGHT))
    if rows[0] >= rows[1] or columns[0] >= columns[1]:
        return
    pixels = window(rows, columns)
    pixels = pixels[frame.depth[pixels] > depth - sprite.reach]
    right = (pixels % WIDTH + np.float32(0.5) - np.float32(column)) * np.float32(pixel)
    above = (np.float32(row) - pixels // WIDTH - np.float32(0.5)) * np.float32(pixel)
    right, above = right.astype(np.float32), above.astype(np.float32)
    u = np.float32(up_y) * right - np.float32(up_x) * above
    v = np.float32(up_x) * right + np.float32(up_y) * above
    figure = sprite.paint(u, v, pixel)
    surface = np.full(pixels.size, depth, np.float32)
    if figure.bump is not None:
        surface = np.maximum(surface - figure.bump, np.float32(NEAR))
    keep = np.flatnonzero(figure.keep & (surface < frame.depth[pixels]))
    level, upward, forward = camera.axes[:, :, None]
    if figure.tilt is None:
        normal = np.broadcast_to(-forward, (3, keep.size))
    else:
        tu, tv = figure.tilt[0][keep], figure.tilt[1][keep]
        toward = np.sqrt(np.maximum(1 - tu * tu - tv * tv, 0))
        normal = level * tu + upward * tv - forward * toward
    label = figure.label[keep] if isinstance(figure.label, np.ndarray) else figure.label
    emission = 0.0 if figure.emission is None else figure.emission[keep]
    frame.put(pixels[keep], surface[keep], label, figure.albedo[:, keep], normal, emission)


def segment(u: Floats, v: Floats, a: tuple[float, float], b: tuple[float, float]) -> Floats:
    """Distance [n] from (u, v) to the line segment a-b."""
    du, dv = b[0] - a[0], b[1] - a[1]
    length = du * du + dv * dv
    pu, pv = u - np.float32(a[0]), v - np.float32(a[1])
    if length > 0:
        along = np.clip((pu * np.float32(du) + pv * np.float32(dv)) * np.float32(1 / length), 0, 1)
        pu, pv = pu - along * np.float32(du), pv - along * np.float32(dv)
    return np.sqrt(pu * pu + pv * pv)
