# SPDX-License-Identifier: Apache-2.0
"""Contents of every ROM. The SystemVerilog and C++ tables are generated from these arrays.

Each entry is floor(f(index) + 1/2) of a smooth f. A test shows that no f(index) is closer than 1e-6 to a
rounding tie, except EXP[16] = 127.5, which floating point computes exactly: the platform's libm cannot change
an entry.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from peritus.reference.arithmetic import I64


def exp_entry(d: int) -> float:
    """Softmax numerator 255 * 2^(-d/16), d = row maximum - score, in 1/16 octaves."""
    return 255 * 2 ** (-d / 16)


def exp2_entry(f: int) -> float:
    """Router numerator 2^15 * 2^(-f/256), f = low 8 bits of largest logit - logit, in 1/256 octaves."""
    return float(2 ** (15 - f / 256))


def delta_entry(i: int) -> float:
    """ReLU - GELU in units of 1/256: 256 t Phi(-t) at the midpoint t = (2i + 0.5) / 256 of 2i and 2i + 1."""
    t = (2 * i + 0.5) / 256
    return 256 * t * math.erfc(t / math.sqrt(2)) / 2


def reciprocal_entry(i: int) -> float:
    """First guess of 2^31 / u for u in [2^15 + 128 i, 2^15 + 128 (i + 1))."""
    return 2**31 / ((256 + i + 0.5) * 128)


def rsqrt_entry(i: int) -> float:
    """First guess of 2^24 / sqrt(u) for u in [2^16 + 512 i, 2^16 + 512 (i + 1))."""
    return 2**16 / math.sqrt((i + 128 + 0.5) / 128)


def _rom(entry: Callable[[int], float], size: int, limit: int) -> I64:
    table = np.array([min(limit, math.floor(entry(i) + 0.5)) for i in range(size)], dtype=np.int64)
    table.setflags(write=False)
    return table


EXP = _rom(exp_entry, 256, 255)  # 8 bits
EXP2 = _rom(exp2_entry, 256, 32768)  # 16 bits
DELTA = _rom(delta_entry, 512, 63)  # 6 bits
RECIPROCAL = _rom(reciprocal_entry, 256, 65535)  # 16 bits
RSQRT = _rom(rsqrt_entry, 384, 65535)  # 16 bits
