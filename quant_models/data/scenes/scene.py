# SPDX-License-Identifier: Apache-2.0
"""One scene from one seed: plan, place, draw, shade, expose."""

from __future__ import annotations

import numpy as np

from quant_models.data.dataset import Sample
from quant_models.data.scenes.buildings import houses
from quant_models.data.scenes.camera import Camera, random_camera
from quant_models.data.scenes.classes import SKY
from quant_models.data.scenes.frame import HEIGHT, MAX_DEPTH, WIDTH, Frame
from quant_models.data.scenes.furniture import pole, sign
from quant_models.data.scenes.ground import draw_ground
from quant_models.data.scenes.light import shade
from quant_models.data.scenes.people import person
from quant_models.data.scenes.plants import plant
from quant_models.data.scenes.sensor import expose
from quant_models.data.scenes.shadow import ShadowMap
from quant_models.data.scenes.solids import Solid, draw_solid
from quant_models.data.scenes.sprites import Sprite, draw_sprite
from quant_models.data.scenes.street import Street, random_street
from quant_models.data.scenes.vehicles import car, lorry
from quant_models.data.scenes.weather import random_weather

VERSION = 1  # of the pixels: any change to what generate() returns raises it


def generate(seed: int) -> Sample:
    """Draw the scene of `seed`.

    Returns:
        image uint8 [128, 256, 3]; targets: "semseg" uint8 [128, 256] Cityscapes train ids, "depth" float32
        [128, 256] metres along the optical axis, at most MAX_DEPTH (80: farther, or sky), rounded to float16.
    """
    rng = np.random.Generator(np.random.PCG64(seed))
    street, weather = random_street(rng), random_weather(rng)
    lane = float(rng.uniform(0.2, 0.75)) * street.kerb * (1 if rng.random() < 0.7 else -1)
    camera = random_camera(rng, lane, 0.0)
    rays = camera.rays()
    lights = float(rng.uniform(1.0, 2.0)) if weather.dusk else 0.0
    solids = houses(rng, street, float(rng.uniform(0.1, 0.4)) if weather.dusk else 0.0)
    solids += _traffic(rng, street, lane, lights)
    sprites = _furnish(rng, street, camera, lights)

    frame = Frame()
    frame.label[:] = SKY
    draw_ground(frame, camera, rays, street, rng)
    for solid in sorted(
        solids, key=lambda s: (s.x - lane) ** 2 + s.z**2
    ):  # near first: the z-test spares the rest
        draw_solid(frame, camera, rays, solid)
    for sprite in sorted(sprites, key=lambda s: (s.x - lane) ** 2 + s.z**2):
        draw_sprite(frame, camera, sprite)
    shadows = ShadowMap(weather)
    for solid in solids:
        shadows.add_solid(solid)
    for sprite in sprites:
        shadows.add_sprite(sprite)
    shadows.soften()
    image = expose(shade(frame, camera, rays, weather, shadows), rng, weather.dusk)
    depth = np.minimum(frame.depth, np.float32(MAX_DEPTH)).astype(np.float16).astype(np.float32)
    shape = (HEIGHT, WIDTH)
    return Sample(image, {"semseg": frame.label.reshape(shape), "depth": depth.reshape(shape)})


def _traffic(rng: np.random.Generator, street: Street, lane: float, lights: float) -> list[Solid]:
    """Parked rows at the kerbs, cars under way in both directions, some on the side street."""
    found: list[Solid] = []
    density = float(rng.uniform(0.1, 0.9))
    for side in (-1, 1):
        edge = street.kerb - 1.15
        if edge - abs(lane if side * lane > 0 else 0.0) < 1.2 and side * lane > 0:
            continue  # no room beside the camera's own lane
        z = float(rng.uniform(1.0, 9.0))
        while z < 75:
            if rng.random() < density * 0.7 and not street.in_crossing(z - 3, z + 3):
                yaw = (
                    street.heading(z)
                    + float(rng.normal(0, 0.02))
                    + (0.0 if side > 0 or rng.random() < 0.3 else np.pi)
                )
                if rng.random() < 0.08 and z > 8:
                    found += lorry(rng, *street.place(side * (edge - 0.25), z + 2), yaw, 0.0)
                    z += 4.5
                else:
                    found += car(rng, *street.place(side * edge, z), yaw, 0.0)
            z += float(rng.uniform(5.2, 8.5))
    for _ in range(int(rng.poisson(2.2 * density + 0.7))):
        ahead = float(rng.uniform(6.5, 55.0))
        with_us = rng.random() < 0.5
        own = lane if with_us else -lane
        yaw = street.heading(ahead) + float(rng.normal(0, 0.05)) + (0.0 if with_us else np.pi)
        if rng.random() < 0.1:
            yaw += float(rng.normal(0, 0.5))
        where = street.place(own, ahead)
        if any((s.x - where[0]) ** 2 + (s.z - where[1]) ** 2 < 36 for s in found):
            continue
        big = rng.random() < 0.35 and ahead > 9
        found += lorry(rng, *where, yaw, lights) if big else car(rng, *where, yaw, lights)
    if street.crossing is not None:
        near, far = street.crossing
        for _ in range(int(rng.integers(0, 4))):
            right = rng.random() < 0.5
            where = (float(rng.uniform(-22, 22)), near + (far - near) * (0.28 if right else 0.72))
            if any((s.x - where[0]) ** 2 + (s.z - where[1]) ** 2 < 49 for s in found):
                continue
            make = lorry if rng.random() < 0.15 else car
            found += make(rng, *where, np.pi / 2 if right else -np.pi / 2, lights)
    return found


def _furnish(rng: np.random.Generator, street: Street, camera: Camera, lights: float) -> list[Sprite]:
    """Trees, bushes, lamps, signs and people along both pavements, some people on the road."""
    found: list[Sprite] = []
    verge = street.verge + 0.55
    green, poles, crowd = float(rng.uniform(0, 1)), float(rng.uniform(0.2, 1)), float(rng.uniform(0, 1))
    for side in (-1, 1):
        z = float(rng.uniform(2.5, 10))
        spacing = float(rng.uniform(6, 14))
        while z < 85:
            if rng.random() < green and not street.in_crossing(z, z):
                radius = float(rng.uniform(1.1, 2.6))
                found.append(plant(rng, *street.place(side * verge, z), float(rng.uniform(1.8, 3.2)), radius))
            z += spacing * float(rng.uniform(0.8, 1.3))
        for _ in range(int(rng.poisson(6 * green))):  # gardens and parks behind the pavement
            z = float(rng.uniform(4, 100))
            trunk = float(rng.uniform(1.0, 3.5)) if rng.random() < 0.5 else 0.0
            radius = float(rng.uniform(1.5, 3.5)) if trunk else float(rng.uniform(0.6, 1.3))
            if not street.in_crossing(z, z):
                back = street.front + float(rng.uniform(0.6, 1.5) if not trunk else rng.uniform(2, 14))
                found.append(plant(rng, *street.place(side * back, z), trunk, radius))
        z = float(rng.uniform(4, 14))
        while z < 70:
            if rng.random() < poles:
                where = street.place(side * (street.kerb + 0.45), z)
                found.append(sign(rng, *where) if rng.random() < 0.42 else pole(rng, *where, lights))
            z += float(rng.uniform(5, 16))
        for _ in range(int(rng.poisson(5.0 * crowd + 0.4))):
            z = float(rng.uniform(3.5, 12) if rng.random() < 0.3 else rng.uniform(5, 45))
            found.append(
                person(
                    rng, *street.place(side * float(rng.uniform(street.verge + 0.3, street.front - 0.2)), z)
                )
            )
    for _ in range(int(rng.poisson(1.0 * crowd + 0.25))):
        z = (
            float(rng.uniform(7, 30))
            if street.crossing is None
            else street.crossing[0] - float(rng.uniform(1, 3.4))
        )
        if z > 4:
            found.append(person(rng, *street.place(float(rng.uniform(-street.kerb, street.kerb)), z)))
    return [s for s in found if (s.x - camera.origin[0]) ** 2 + s.z**2 > 6.0]
