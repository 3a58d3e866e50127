# SPDX-License-Identifier: Apache-2.0
"""activation against peritus.reference.ACTIVATIONS, exhaustively."""

from typing import Any

import cocotb
import numpy as np

from peritus.reference import ACTIVATIONS
from tests.rtl.benches.pipeline import Ints, check_equal, corners, reset, run

# Function -> relu_i, gelu_i.
SELECT = {"none": (0, 0), "gelu": (1, 1), "relu": (1, 0)}


async def compare(dut: Any, y: Ints, functions: list[str], gap: float) -> None:
    """One function per vector, in turn."""
    lanes = int(cocotb.plusargs["Lanes"])
    y = np.resize(y, -(-len(y) // lanes) * lanes).reshape(-1, lanes)
    chosen = [functions[i % len(functions)] for i in range(len(y))]
    relu, gelu = np.array([SELECT[name] for name in chosen]).T
    await reset(dut)
    inputs = {"y_i": y, "relu_i": relu, "gelu_i": gelu}
    result, latency = await run(dut, inputs, {"valid_o": {"g_o": True}}, gap=gap)
    expected = np.array([ACTIVATIONS[name](row) for name, row in zip(chosen, y, strict=True)])
    check_equal("g_o", result["g_o"], expected)
    assert latency["valid_o"] == int(cocotb.plusargs["latency"])


@cocotb.test()
async def every_input(dut: Any) -> None:
    """All 2^16 values of x, by every function."""
    assert set(SELECT) == set(ACTIVATIONS)
    for name in ACTIVATIONS:
        await compare(dut, np.arange(-(1 << 15), 1 << 15), [name], gap=0.0)


@cocotb.test()
async def saturating_and_mixed(dut: Any) -> None:
    """24-bit inputs beyond 16 bits, with functions mixed at random."""
    rng = np.random.default_rng(cocotb.RANDOM_SEED)
    wide = rng.integers(-(1 << 23), 1 << 23, 1000)
    y = np.concatenate([wide, wide >> 7, wide >> 12, corners(24, signed=True)])
    await compare(dut, y, rng.choice(list(ACTIVATIONS), len(y)).tolist(), gap=0.3)
