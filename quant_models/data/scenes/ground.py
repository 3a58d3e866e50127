# SPDX-License-Identifier: Apache-2.0
"""The ground plane y = 0: asphalt with marks, kerbs, paving, grass."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from quant_models.data.scenes import noise
from quant_models.data.scenes.camera import Camera
from quant_models.data.scenes.classes import ROAD, SIDEWALK, TERRAIN
from quant_models.data.scenes.colour import pick, rgb
from quant_models.data.scenes.frame import Floats, Frame
from quant_models.data.scenes.street import Street

ASPHALT = ((0.36, 0.36, 0.38), (0.45, 0.44, 0.43), (0.29, 0.29, 0.32), (0.52, 0.50, 0.49))
PAVING = ((0.60, 0.58, 0.56), (0.68, 0.64, 0.58), (0.52, 0.52, 0.53), (0.62, 0.50, 0.44))
GRASS = ((0.36, 0.47, 0.20), (0.45, 0.50, 0.24), (0.52, 0.48, 0.30), (0.28, 0.40, 0.18))
REACH = 300.0  # metres; the ground ends there


def draw_ground(frame: Frame, camera: Camera, rays: Floats, street: Street, rng: np.random.Generator) -> None:
    """Colour and label every pixel that looks down, from where its ray meets the plane."""
    down = np.flatnonzero(rays[1] < -camera.origin[1] / np.float32(REACH))
    depth = -camera.origin[1] / rays[1, down]
    x = camera.origin[0] + depth * rays[0, down]
    z = depth * rays[2, down]
    side = street.lateral(x, z)
    away = np.abs(side)
    asphalt, paving, grass, kerb = (
        pick(rng, ASPHALT, 0.1),
        pick(rng, PAVING, 0.1),
        pick(rng, GRASS, 0.12),
        0.18,
    )
    offset = int(rng.integers(noise.TILE))

    label = np.where(away < street.kerb, ROAD, SIDEWALK).astype(np.uint8)
    label[(away >= street.kerb + kerb) & (away < street.verge)] = TERRAIN
    edge = np.abs(away - street.kerb)
    if street.lawn:
        label[away >= street.front] = TERRAIN
    if street.crossing is not None:
        near, far = street.crossing
        outside = np.maximum(near - z, z - far)  # metres from the side street, negative on it
        pavement = street.front - street.verge
        label[(away >= street.kerb) & (outside < pavement)] = SIDEWALK
        label[outside < 0] = ROAD
        edge = np.where(away < street.kerb, 9, np.where(outside < 0, -outside, np.minimum(edge, outside)))
        edge = np.where(
            (away >= street.kerb) & (outside >= 0) & (away - street.kerb > outside), outside, edge
        )

    fine = noise.sample(noise.white(), x, z, 9.0, offset) - np.float32(0.5)
    coarse = noise.sample(noise.texture(), x, z, 12.0, offset) - np.float32(0.5)
    near_by = np.float32(1) / (1 + (depth * np.float32(0.07)) ** 2)  # detail that a pixel can still resolve
    grain = (
        1 + coarse * np.float32(rng.uniform(0.3, 0.9)) + fine * near_by * np.float32(rng.uniform(0.1, 0.35))
    )
    albedo = np.empty((3, down.size), np.float32)
    for kind, colour in ((ROAD, asphalt), (SIDEWALK, paving), (TERRAIN, grass)):
        albedo[:, label == kind] = colour
    _marks(albedo, street, side, x, z, label, rng)
    if rng.random() < 0.75:
        _tiles(albedo, label, side, z, near_by, rng)
    stone = (edge < kerb) & (label == SIDEWALK)
    albedo[:, stone] = rgb(0.72, 0.71, 0.69) * np.float32(rng.uniform(0.6, 1.0))
    gutter = (edge < 0.35) & (label == ROAD)
    albedo[:, gutter] *= np.float32(0.75)
    rough = label == TERRAIN
    grain[rough] += coarse[rough] * np.float32(0.9) + fine[rough] * near_by[rough] * np.float32(0.5)
    albedo *= np.maximum(grain, np.float32(0.15))
    normal = np.broadcast_to(np.array([[0], [1], [0]], np.float32), (3, down.size))
    frame.put(down, depth, label, albedo, normal)


def _marks(
    albedo: Floats,
    street: Street,
    side: Floats,
    x: Floats,
    z: Floats,
    label: npt.NDArray[np.uint8],
    rng: np.random.Generator,
) -> None:
    """Lane lines, edge lines, a zebra crossing, tar patches and a manhole; worn by noise."""
    road = label == ROAD
    for _ in range(int(rng.integers(0, 4))):  # patches of newer or older asphalt
        s, far = rng.uniform(-street.kerb, street.kerb), rng.uniform(3, 35)
        patch = (np.abs(side - np.float32(s)) < rng.uniform(0.4, 1.5)) & (
            np.abs(z - np.float32(far)) < rng.uniform(0.5, 5)
        )
        albedo[:, patch & road] *= np.float32(rng.uniform(0.55, 1.5))
    hole = (side - np.float32(rng.uniform(-2, 2))) ** 2 + (z - np.float32(rng.uniform(5, 20))) ** 2 < 0.16
    albedo[:, hole & road] *= np.float32(0.5)
    paint = rgb(0.9, 0.9, 0.86) if rng.random() < 0.85 else rgb(0.9, 0.72, 0.2)
    wear = noise.sample(noise.texture(), x, z, 60.0, 11) > rng.uniform(0.15, 0.5)
    clear = road & wear
    if street.crossing is not None:
        near, far = street.crossing
        clear &= (z < near - 4) | (z > far + 4)
    period, dash = float(rng.uniform(4, 12)), float(rng.uniform(0.35, 0.6))
    dashed = np.mod(z + np.float32(rng.uniform(0, 9)), period) < period * dash
    style = rng.random()
    if style < 0.75:
        line = np.abs(side) < 0.09
        albedo[:, clear & line & (dashed if style < 0.5 else True)] = paint
    if street.kerb > 5.2 and rng.random() < 0.7:
        lane = np.abs(np.abs(side) - np.float32(street.kerb / 2)) < 0.08
        albedo[:, clear & lane & dashed] = paint
    if rng.random() < 0.35:
        albedo[:, clear & (np.abs(np.abs(side) - np.float32(street.kerb - 0.45)) < 0.07)] = paint
    zebras = [street.crossing[0] - 2.2, street.crossing[1] + 2.2] if street.crossing else [rng.uniform(6, 30)]
    if rng.random() < (0.7 if street.crossing else 0.25):
        bar = float(rng.uniform(0.45, 0.65))
        stripes = np.mod(side, 2 * bar) < bar
        for middle in zebras:
            albedo[:, road & wear & stripes & (np.abs(z - np.float32(middle)) < 1.6)] = paint


def _tiles(
    albedo: Floats,
    label: npt.NDArray[np.uint8],
    side: Floats,
    z: Floats,
    near_by: Floats,
    rng: np.random.Generator,
) -> None:
    """Paving slabs: one shade each, with darker joints."""
    where = np.flatnonzero(label == SIDEWALK)
    size = float(rng.uniform(0.3, 1.1))
    a, b = side[where] / np.float32(size), z[where] / np.float32(size * rng.uniform(0.7, 2.0))
    ia, ib = np.floor(a).astype(np.int32), np.floor(b).astype(np.int32)
    shade = (noise.cell(ia, ib, 3) - np.float32(0.5)) * np.float32(rng.uniform(0.05, 0.35))
    joint = ((a - ia < 0.07) | (b - ib < 0.07)) * np.float32(rng.uniform(0.2, 0.5))
    albedo[:, where] *= 1 + (shade - joint) * near_by[where]
