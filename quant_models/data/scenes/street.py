# SPDX-License-Identifier: Apache-2.0
"""Plan of the street: its bend, the strips beside the lane, and one crossing."""

from __future__ import annotations

from dataclasses import dataclass
from math import atan

import numpy as np

from quant_models.data.scenes.frame import Floats


@dataclass(frozen=True)
class Street:
    """Strips by distance from the centre line: road up to `kerb`, grass to `verge`, pavement to `front`.

    The centre line is x = bend z² / 2. `crossing`: z of the near and far kerb of a side street, if any.
    """

    bend: float
    kerb: float
    verge: float
    front: float
    crossing: tuple[float, float] | None
    lawn: bool  # beyond the pavement: grass, else paving

    def centre(self, z: float) -> float:
        return self.bend * z * z / 2

    def place(self, side: float, z: float) -> tuple[float, float]:
        """World (x, z) of the point `side` metres right of the centre line at z."""
        return self.centre(z) + side, z

    def heading(self, z: float) -> float:
        return atan(self.bend * z)

    def lateral(self, x: Floats, z: Floats) -> Floats:
        side: Floats = x - np.float32(self.bend / 2) * z * np.minimum(z, np.float32(150.0))
        return side

    def in_crossing(self, near: float, far: float) -> bool:
        """Whether [near, far] along z meets the side street or its pavements."""
        if self.crossing is None:
            return False
        margin = self.front - self.kerb
        return near < self.crossing[1] + margin and far > self.crossing[0] - margin


def random_street(rng: np.random.Generator) -> Street:
    bend = 0.0 if rng.random() < 0.35 else float(rng.normal(0.0, 0.005))
    kerb = float(rng.uniform(2.8, 7.0))
    verge = kerb + (float(rng.uniform(0.8, 2.5)) if rng.random() < 0.35 else 0.0)
    front = verge + float(rng.uniform(1.6, 4.5))
    start = float(rng.uniform(7.0, 38.0))
    crossing = (start, start + float(rng.uniform(6.0, 11.0))) if rng.random() < 0.45 else None
    return Street(bend, kerb, verge, front, crossing, bool(rng.random() < 0.4))
