# SPDX-License-Identifier: Apache-2.0
"""The arithmetic, defined once: integer NumPy that the RTL, the HLS code and the docs equal bit for bit.

Every function takes integer arrays of any width and returns int64 arrays whose values fit the stated width.
"""

from peritus.reference.activation import ACTIVATIONS
from peritus.reference.arithmetic import rhu, saturate
from peritus.reference.attention import attention, attention_scores, attention_values, stationary
from peritus.reference.gelu import gelu
from peritus.reference.layernorm import layernorm
from peritus.reference.linear import matmul
from peritus.reference.patch_embed import image_patches
from peritus.reference.pixel_shuffle import pixel_shuffle
from peritus.reference.reciprocal import reciprocal
from peritus.reference.requantize import HIDDEN_ZERO_POINT, requantize, rescale, to_int8
from peritus.reference.residual import residual_accumulate, residual_add
from peritus.reference.router import Routing, route
from peritus.reference.rsqrt import rsqrt
from peritus.reference.softmax import probabilities, row_maximum

__all__ = [
    "ACTIVATIONS",
    "HIDDEN_ZERO_POINT",
    "Routing",
    "attention",
    "attention_scores",
    "attention_values",
    "gelu",
    "image_patches",
    "layernorm",
    "matmul",
    "pixel_shuffle",
    "probabilities",
    "reciprocal",
    "requantize",
    "rescale",
    "residual_accumulate",
    "residual_add",
    "rhu",
    "route",
    "row_maximum",
    "rsqrt",
    "saturate",
    "stationary",
    "to_int8",
]
