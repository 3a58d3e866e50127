# SPDX-License-Identifier: Apache-2.0
"""Convex solids (boxes, cabins, houses with a ridge): intersections of half-spaces, hit by rays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import cos, sin

import numpy as np
import numpy.typing as npt

from quant_models.data.scenes.camera import NEAR, Camera
from quant_models.data.scenes.frame import Floats, Frame, Ints, window

RIGHT, LEFT, FRONT, BACK, TOP = range(5)  # faces of every solid, in the order of its half-spaces


@dataclass(frozen=True, eq=False)
class Hits:
    """Where rays meet a solid: coordinates in its own frame [n] each, and the face met [n]."""

    x: Floats
    y: Floats
    z: Floats
    face: npt.NDArray[np.uint8]
    depth: Floats


@dataclass(frozen=True, eq=False)
class Surface:
    """What a painter makes of n hits. `keep`: those that exist at all (a car has no skirt between wheels)."""

    label: npt.NDArray[np.uint8] | int
    albedo: Floats  # [3, n]
    keep: npt.NDArray[np.bool_] | None = None
    emission: Floats | float = 0.0


Painter = Callable[[Hits], Surface]


@dataclass(frozen=True, eq=False)
class Solid:
    """Points p with normals @ p <= offsets in its own frame: x right, y up from the ground, z forward.

    size: (width, height, length) of the enclosing box, which stands on `base` above the ground at (x, z).
    """

    x: float
    z: float
    yaw: float
    size: tuple[float, float, float]
    paint: Painter
    base: float = 0.0
    lean: tuple[float, float, float] = (0.0, 0.0, 0.0)  # how far sides, front, back lean in, metres per metre
    ridge: float = 0.0  # slope of a roof whose ridge runs along z

    def half_spaces(self) -> list[tuple[float, float, float, float]]:
        """(nx, ny, nz, offset) per face; y counts from `base`. The first five are RIGHT..TOP."""
        width, height, length = self.size
        side, front, back = self.lean
        spaces = [
            (1.0, side, 0.0, width / 2),
            (-1.0, side, 0.0, width / 2),
            (0.0, front, 1.0, length / 2),
            (0.0, back, -1.0, length / 2),
            (0.0, 1.0, 0.0, height),
        ]
        if self.ridge:
            spaces += [(self.ridge, 1.0, 0.0, height), (-self.ridge, 1.0, 0.0, height)]
        return [*spaces, (0.0, -1.0, 0.0, 0.0)]

    def corners(self) -> Floats:
        width, height, length = self.size
        c, s = cos(self.yaw), sin(self.yaw)
        points = [
            (self.x + c * x + s * z, y, self.z - s * x + c * z)
            for x in (-width / 2, width / 2)
            for y in (self.base, self.base + height)
            for z in (-length / 2, length / 2)
        ]
        return np.array(points, np.float32)


def draw_solid(frame: Frame, camera: Camera, rays: Floats, solid: Solid) -> None:
    """Intersect the rays of the solid's bounding rectangle, paint the hits nearer than what is there."""
    corners = solid.corners()
    bounds = camera.bounds(corners)
    if bounds is None:
        return
    pixels = window(*bounds)
    nearest = camera.to_camera(corners)[:, 2].min() - np.float32(0.01)
    pixels = pixels[frame.depth[pixels] > nearest]
    c, s = np.float32(cos(solid.yaw)), np.float32(sin(solid.yaw))
    wx, dy, wz = rays[:, pixels]
    dx, dz = c * wx - s * wz, s * wx + c * wz
    mx, my, mz = (float(v) for v in camera.origin)
    ox = float(c) * (mx - solid.x) - float(s) * (mz - solid.z)
    oz = float(s) * (mx - solid.x) + float(c) * (mz - solid.z)
    oy = my - solid.base
    enter = np.full(pixels.size, NEAR, np.float32)
    leave = frame.depth[pixels]
    face = np.full(pixels.size, 255, np.uint8)
    spaces = solid.half_spaces()
    with np.errstate(divide="ignore", invalid="ignore"):
        for index, (nx, ny, nz, offset) in enumerate(spaces):
            room = np.float32(offset - (nx * ox + ny * oy + nz * oz))
            rate = _along(nx, dx, ny, dy, nz, dz)
            if room < 0:  # the camera is outside this half-space: rays can only enter it
                step = np.where(rate < 0, room / rate, np.float32(np.inf))
                later = step > enter
                face[later] = index
                np.maximum(enter, step, out=enter)
            else:
                np.minimum(leave, np.where(rate > 0, room / rate, np.float32(np.inf)), out=leave)
    hit: Ints = np.flatnonzero((enter < leave) & (face != 255))
    if not hit.size:
        return
    depth, face = enter[hit], face[hit]
    x = np.float32(ox) + depth * dx[hit]
    y = np.float32(oy) + depth * dy[hit]
    z = np.float32(oz) + depth * dz[hit]
    surface = solid.paint(Hits(x, y, z, face, depth))
    normals = np.array(spaces, np.float32)[:, :3]
    normals /= np.sqrt((normals * normals).sum(axis=1, keepdims=True))
    normal = np.stack(
        [c * normals[:, 0] + s * normals[:, 2], normals[:, 1], c * normals[:, 2] - s * normals[:, 0]]
    )
    label, albedo, emission, facing = surface.label, surface.albedo, surface.emission, normal[:, face]
    if surface.keep is not None:
        keep = surface.keep
        hit, depth, albedo, facing = hit[keep], depth[keep], albedo[:, keep], facing[:, keep]
        label = label[keep] if isinstance(label, np.ndarray) else label
        emission = emission[keep] if isinstance(emission, np.ndarray) else emission
    frame.put(pixels[hit], depth, label, albedo, facing, emission)


def _along(nx: float, dx: Floats, ny: float, dy: Floats, nz: float, dz: Floats) -> Floats:
    """nx dx + ny dy + nz dz, without the terms that are zero."""
    total: Floats | None = None
    for n, d in ((nx, dx), (ny, dy), (nz, dz)):
        if n:
            term = d if n == 1.0 else np.float32(n) * d
            total = term if total is None else total + term
    assert total is not None
    return total
