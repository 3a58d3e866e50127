# SPDX-License-Identifier: Apache-2.0
"""Shadows on the ground: a map of the ground from above, in which every object darkens what it hides."""

from __future__ import annotations

from math import cos, sin

import numpy as np

from quant_models.data.scenes.frame import Floats
from quant_models.data.scenes.solids import Solid
from quant_models.data.scenes.sprites import Sprite
from quant_models.data.scenes.weather import Weather

CELL = 0.2  # metres
LEFT, NEAR = -26.0, -3.0
COLUMNS, ROWS = 260, 300
LONGEST = 25.0  # metres that a shadow may reach


class ShadowMap:
    """Two layers [ROWS, COLUMNS]: sunlight taken away (0..1), and skylight taken away close to objects."""

    def __init__(self, weather: Weather) -> None:
        self.sun = np.zeros((ROWS, COLUMNS), np.float32)
        self.sky = np.zeros((ROWS, COLUMNS), np.float32)
        # Ground distance that the shadow of one metre of height falls.
        self.throw = (-float(weather.sun[0] / weather.sun[1]), -float(weather.sun[2] / weather.sun[1]))

    def add_solid(self, solid: Solid) -> None:
        """The footprint, swept along the throw of its height."""
        bottom, top = solid.base, solid.base + solid.size[1]
        self._sweep(self.sun, solid.x, solid.z, solid.yaw, solid.size[0], solid.size[2], bottom, top, 1.0)
        if not bottom:
            width, length = solid.size[0] + 0.5, solid.size[2] + 0.5
            self._sweep(self.sky, solid.x, solid.z, solid.yaw, width, length, 0.0, 0.0, 0.6)

    def add_sprite(self, sprite: Sprite) -> None:
        """A thin upright bar for slim things; a bar and a crown for wide ones."""
        slim = sprite.reach < 1.2
        wide = sprite.reach * (0.6 if slim else 1.3)
        bottom = 0.0 if slim else max(sprite.height - 2 * sprite.reach, 0.0)
        self._sweep(self.sun, sprite.x, sprite.z, 0.0, wide, wide, bottom, sprite.height * 0.9, 0.85)
        self._sweep(self.sun, sprite.x, sprite.z, 0.0, 0.3, 0.3, 0.0, sprite.height * 0.5, 0.9)
        self._sweep(self.sky, sprite.x, sprite.z, 0.0, min(wide, 0.7), min(wide, 0.7), 0.0, 0.0, 0.5)

    def soften(self) -> None:
        """Half shadows: a small blur of both layers."""
        for layer, times in ((self.sun, 1), (self.sky, 2)):
            for _ in range(times):
                layer[1:-1] = (layer[:-2] + 2 * layer[1:-1] + layer[2:]) * np.float32(0.25)
                layer[:, 1:-1] = (layer[:, :-2] + 2 * layer[:, 1:-1] + layer[:, 2:]) * np.float32(0.25)

    def look_up(self, x: Floats, z: Floats) -> tuple[Floats, Floats]:
        """Both layers at ground points [n]; 0 outside the map."""
        column = np.floor((x - np.float32(LEFT)) * np.float32(1 / CELL)).astype(np.int32)
        row = np.floor((z - np.float32(NEAR)) * np.float32(1 / CELL)).astype(np.int32)
        inside = (column >= 0) & (column < COLUMNS) & (row >= 0) & (row < ROWS)
        flat = np.where(inside, row * COLUMNS + column, 0)
        return self.sun.ravel()[flat] * inside, self.sky.ravel()[flat] * inside

    def _sweep(
        self,
        layer: Floats,
        x: float,
        z: float,
        yaw: float,
        width: float,
        length: float,
        bottom: float,
        top: float,
        dark: float,
    ) -> None:
        """Darken the cells from which a rectangle, moved along the throw from bottom to top, is met."""
        reach = (self.throw[0] ** 2 + self.throw[1] ** 2) ** 0.5
        top = min(top, LONGEST / max(reach, 1e-3))
        bottom = min(bottom, top)
        radius = (width**2 + length**2) ** 0.5 / 2 + CELL
        xs = [x + self.throw[0] * h for h in (bottom, top)]
        zs = [z + self.throw[1] * h for h in (bottom, top)]
        c0, c1 = (int((v - LEFT) / CELL) for v in (min(xs) - radius, max(xs) + radius))
        r0, r1 = (int((v - NEAR) / CELL) for v in (min(zs) - radius, max(zs) + radius))
        c0, c1, r0, r1 = max(c0, 0), min(c1 + 1, COLUMNS), max(r0, 0), min(r1 + 1, ROWS)
        if c0 >= c1 or r0 >= r1:
            return
        px = (np.arange(c0, c1, dtype=np.float32) + np.float32(0.5)) * np.float32(CELL) + np.float32(LEFT - x)
        pz = (np.arange(r0, r1, dtype=np.float32)[:, None] + np.float32(0.5)) * np.float32(CELL) + np.float32(
            NEAR - z
        )
        c, s = cos(yaw), sin(yaw)
        # Heights: numbers, then one per cell.
        enter: Floats | np.float32 = np.float32(bottom)
        leave: Floats | np.float32 = np.float32(top)
        for a, b, half in ((c, -s, width / 2), (s, c, length / 2)):
            # A rectangle along the axes needs one row and one column of cells, not all of them.
            place = np.float32(b) * pz if a == 0 else np.float32(a) * px
            if a and b:
                place = place + np.float32(b) * pz
            speed = (
                a * self.throw[0] + b * self.throw[1]
            )  # of the rectangle along this axis, per metre of height
            if top == 0 or abs(speed) < 1e-4:
                leave = np.where(np.abs(place) <= half, leave, np.float32(-1))
                continue
            first, last = (
                (place - np.float32(half)) / np.float32(speed),
                (place + np.float32(half)) / np.float32(speed),
            )
            enter = np.maximum(enter, np.minimum(first, last))
            leave = np.minimum(leave, np.maximum(first, last))
        patch = layer[r0:r1, c0:c1]
        np.maximum(patch, (enter <= leave) * np.float32(dark), out=patch)
