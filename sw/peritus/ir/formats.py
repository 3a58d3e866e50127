# SPDX-License-Identifier: Apache-2.0
"""Fixed-point formats that do not depend on a network: the real value of one step.

For whoever quantizes a network and for the front ends that read it; the arithmetic knows integers only. What
has a scale of its own (activations, weights, the residual stream) is not here.
"""

from __future__ import annotations

import math

PIXEL_SCALE = 2.0**-8
GELU_SCALE = 2.0**-8  # Q.8: what an activation takes and returns
SCORE_SCALE = 2.0**-4  # attention scores, in octaves
PROBABILITY_SCALE = 1 / 255
LOGIT_SCALE = math.log(2) / 256  # router logits: 1/256 octaves
