# SPDX-License-Identifier: Apache-2.0
"""argmax against NumPy's argmax over the candidates."""

from typing import Any

import cocotb
import numpy as np

from tests.rtl.benches.pipeline import check_equal, reset, run


@cocotb.test()
async def random_and_ties(dut: Any) -> None:
    """Wide values, few distinct values (ties), all equal; all, some or one candidate."""
    inputs, width = (int(cocotb.plusargs[name]) for name in ("Inputs", "Width"))
    rng = np.random.default_rng(cocotb.RANDOM_SEED)
    n, half = 1000, 1 << (width - 1)
    spread = rng.choice([1, 2, 4, half], (n, 1))
    value = rng.integers(-spread, spread, (n, inputs))
    value[: n // 10] = rng.choice([-half, half - 1], (n // 10, inputs))
    value[n // 10 : n // 5] = value[n // 10 : n // 5, :1]
    candidate = rng.random((n, inputs)) < rng.choice([0.0, 0.5, 1.0], (n, 1))
    candidate[np.arange(n), rng.integers(0, inputs, n)] = True

    packed = [sum((int(v) & (2 * half - 1)) << (width * i) for i, v in enumerate(row)) for row in value]
    bits = candidate.astype(np.int64) @ (1 << np.arange(inputs))
    await reset(dut)
    result, latency = await run(
        dut,
        {"value_i": np.array(packed, dtype=object), "candidate_i": bits},
        {"valid_o": {"maximum_o": True, "index_o": False}},
    )
    masked = np.where(candidate, value, -half - 1)
    check_equal("index_o", result["index_o"][:, 0], masked.argmax(axis=1))
    check_equal("maximum_o", result["maximum_o"][:, 0], masked.max(axis=1))
    assert latency["valid_o"] == int(cocotb.plusargs["latency"])
