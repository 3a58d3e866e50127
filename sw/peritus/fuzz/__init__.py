# SPDX-License-Identifier: Apache-2.0
"""Random networks, hardware, memories and queues: graph, simulator and RTL must agree in every integer."""

from peritus.fuzz.case import Case, draw, draw_hardware
from peritus.fuzz.play import Difference, Played, play
from peritus.fuzz.shrink import shrink

__all__ = ["Case", "Difference", "Played", "draw", "draw_hardware", "play", "shrink"]
