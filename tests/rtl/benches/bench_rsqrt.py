# SPDX-License-Identifier: Apache-2.0
"""rsqrt against peritus.reference.rsqrt."""

from typing import Any

import cocotb
import numpy as np

from peritus.reference.rsqrt import rsqrt
from tests.rtl.benches.pipeline import check_equal, corners, reset, run


@cocotb.test()
async def all_magnitudes(dut: Any) -> None:
    """All values up to 2^10, both ends of every table entry, random values of every magnitude."""
    rng = np.random.default_rng(cocotb.RANDOM_SEED)
    edges = ((128 + np.arange(384)) << 39)[:, None] + np.array([0, (1 << 39) - 1])
    scattered = rng.integers(1 << 47, 1 << 48, 3000) >> rng.integers(0, 48, 3000)
    v = np.concatenate([np.arange(1, 1024), edges.ravel(), scattered, corners(48, signed=False)[1:]])
    await reset(dut)
    result, latency = await run(dut, {"v_i": v}, {"valid_o": {"r_o": False, "half_o": False}}, gap=0.2)
    r, half = rsqrt(v)
    check_equal("r_o", result["r_o"][:, 0], r)
    check_equal("half_o", result["half_o"][:, 0], half)
    assert latency["valid_o"] == int(cocotb.plusargs["latency"])
