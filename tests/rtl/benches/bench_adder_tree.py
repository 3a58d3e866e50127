# SPDX-License-Identifier: Apache-2.0
"""adder_tree against NumPy's sum."""

from typing import Any

import cocotb
import numpy as np

from tests.rtl.benches.pipeline import check_equal, corners, reset, run


@cocotb.test()
async def random_and_extreme(dut: Any) -> None:
    inputs, in_w = (int(cocotb.plusargs[name]) for name in ("Inputs", "InW"))
    rng = np.random.default_rng(cocotb.RANDOM_SEED)
    low, high = -(1 << (in_w - 1)), (1 << (in_w - 1)) - 1
    value = np.concatenate(
        [
            rng.integers(low, high + 1, (500, inputs)),
            rng.choice(corners(in_w, signed=True), (200, inputs)),
            np.full((1, inputs), low),
            np.full((1, inputs), high),
            np.eye(inputs, dtype=np.int64) * high,  # every input arrives once
        ]
    )
    await reset(dut)
    result, latency = await run(dut, {"value_i": value}, {"valid_o": {"sum_o": True}})
    check_equal("sum_o", result["sum_o"], value.sum(axis=1, keepdims=True))
    assert latency["valid_o"] == int(cocotb.plusargs["latency"])
