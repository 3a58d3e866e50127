# SPDX-License-Identifier: Apache-2.0
"""Which configuration? Sweeps by the cycle model and an estimate of the area."""

from peritus.explore.area import Area, area_of
from peritus.explore.errors import ExploreError
from peritus.explore.pareto import front
from peritus.explore.plot import svg
from peritus.explore.space import Axis, Point, points
from peritus.explore.sweep import sweep

__all__ = ["Area", "Axis", "ExploreError", "Point", "area_of", "front", "points", "svg", "sweep"]
