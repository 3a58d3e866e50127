# SPDX-License-Identifier: Apache-2.0
"""reciprocal against peritus.reference.reciprocal."""

from typing import Any

import cocotb
import numpy as np

from peritus.reference.reciprocal import reciprocal
from tests.rtl.benches.pipeline import check_equal, corners, reset, run


@cocotb.test()
async def all_magnitudes(dut: Any) -> None:
    """All values up to 2^10, both ends of every table entry, random values of every magnitude."""
    rng = np.random.default_rng(cocotb.RANDOM_SEED)
    edges = ((256 + np.arange(256)) << 15)[:, None] + np.array([0, (1 << 15) - 1])
    scattered = rng.integers(1 << 23, 1 << 24, 2000) >> rng.integers(0, 24, 2000)
    v = np.concatenate([np.arange(1, 1024), edges.ravel(), scattered, corners(24, signed=False)[1:]])
    await reset(dut)
    result, latency = await run(dut, {"v_i": v}, {"valid_o": {"r_o": False, "shift_o": False}}, gap=0.2)
    r, shift = reciprocal(v)
    check_equal("r_o", result["r_o"][:, 0], r)
    check_equal("shift_o", result["shift_o"][:, 0], shift)
    assert latency["valid_o"] == int(cocotb.plusargs["latency"])
