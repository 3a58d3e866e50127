# SPDX-License-Identifier: Apache-2.0
"""Updates of the residual stream."""

from __future__ import annotations

import numpy as np

from peritus.reference.arithmetic import I64, Ints, saturate


def residual_add(residual: Ints, z: Ints) -> I64:
    """sat16(sat16(residual) + sat16(z)): one dense contribution. [tokens, channels], int16."""
    return saturate(saturate(residual, 16) + saturate(z, 16), 16)


def residual_accumulate(residual: Ints, z: Ints) -> I64:
    """residual + sat16(z), not saturated: one expert's contribution to the 20-bit storage.

    At most 15 contributions on a 16-bit value fit 20 bits. Readers saturate to 16 bits, once, after the last
    expert, so the order of the experts cannot change a bit.
    """
    return np.add(residual, saturate(z, 16), dtype=np.int64)
