# SPDX-License-Identifier: Apache-2.0
"""The cycle model: cycles of a frame, instruction by instruction, from program and configuration alone."""

from peritus.cycles.errors import CycleError
from peritus.cycles.predict import Prediction, predict
from peritus.cycles.routing import Routing, even_routing, routing_of

__all__ = ["CycleError", "Prediction", "Routing", "even_routing", "predict", "routing_of"]
