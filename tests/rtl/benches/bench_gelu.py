# SPDX-License-Identifier: Apache-2.0
"""gelu against peritus.reference.gelu, exhaustively."""

from typing import Any

import cocotb
import numpy as np

from peritus.reference.gelu import gelu
from tests.rtl.benches.pipeline import Ints, check_equal, corners, reset, run


async def compare(dut: Any, y: Ints, select: Ints, gap: float) -> None:
    lanes = int(cocotb.plusargs["Lanes"])
    y = np.resize(y, -(-len(y) // lanes) * lanes).reshape(-1, lanes)
    select = np.resize(select, len(y))
    await reset(dut)
    result, latency = await run(dut, {"y_i": y, "gelu_i": select}, {"valid_o": {"g_o": True}}, gap=gap)
    check_equal("g_o", result["g_o"], np.where(select[:, None] == 1, gelu(y), y))
    assert latency["valid_o"] == int(cocotb.plusargs["latency"])


@cocotb.test()
async def every_input(dut: Any) -> None:
    """All 2^16 values of x."""
    await compare(dut, np.arange(-(1 << 15), 1 << 15), np.array([1]), gap=0.0)


@cocotb.test()
async def saturating_and_passing(dut: Any) -> None:
    """24-bit inputs beyond 16 bits, with GELU and passing vectors mixed at random."""
    rng = np.random.default_rng(cocotb.RANDOM_SEED)
    wide = rng.integers(-(1 << 23), 1 << 23, 1000)
    y = np.concatenate([wide, wide >> 7, wide >> 12, corners(24, signed=True)])
    await compare(dut, y, rng.integers(0, 2, len(y)), gap=0.3)
