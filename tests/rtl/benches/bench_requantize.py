# SPDX-License-Identifier: Apache-2.0
"""requantize against peritus.reference."""

from typing import Any

import cocotb
import numpy as np

from peritus.reference.arithmetic import saturate
from peritus.reference.requantize import rescale
from tests.rtl.benches.pipeline import check_equal, corners, reset, run


def parameters() -> tuple[int, int, int]:
    lanes, in_w, out_w = (int(cocotb.plusargs[name]) for name in ("Lanes", "InW", "OutW"))
    return lanes, in_w, out_w


async def compare(dut: Any, value: Any, multiplier: Any, shift: Any, gap: float) -> None:
    lanes, _, out_w = parameters()
    count = -(-len(value) // lanes) * lanes
    columns = (np.asarray(x, dtype=np.int64) for x in (value, multiplier, shift))
    v, m, s = (np.resize(x, count).reshape(-1, lanes) for x in columns)
    await reset(dut)
    result, latency = await run(
        dut, {"value_i": v, "multiplier_i": m, "shift_i": s}, {"valid_o": {"value_o": True}}, gap=gap
    )
    product = v * m
    rounded = np.where(s == 0, product, rescale(v, m, np.maximum(s, 1)))
    check_equal("value_o", result["value_o"], saturate(rounded, out_w))
    assert latency["valid_o"] == int(cocotb.plusargs["latency"])


@cocotb.test()
async def random_values(dut: Any) -> None:
    """Products spread over the whole output range and beyond, random gaps."""
    _, in_w, out_w = parameters()
    rng = np.random.default_rng(cocotb.RANDOM_SEED)
    n = 4000
    value = rng.integers(-(1 << (in_w - 1)), 1 << (in_w - 1), n) >> rng.integers(0, in_w, n)
    multiplier = rng.integers(1 << 15, 1 << 16, n)
    magnitude = np.log2(np.abs(value * multiplier) + 1).astype(np.int64)
    shift = np.clip(magnitude - out_w + rng.integers(-2, out_w, n), 1, 63)
    await compare(dut, value, multiplier, shift, gap=0.3)


@cocotb.test()
async def corner_values(dut: Any) -> None:
    """Every shift with extreme values and multipliers, no gaps."""
    _, in_w, _ = parameters()
    values = [v for v in corners(in_w, signed=True) if abs(v) < 4 or abs(v) > (1 << (in_w - 2)) - 2]
    grid = [(v, m, s) for v in values for m in (0, 1, 1 << 15, 65535) for s in range(64)]
    value, multiplier, shift = zip(*grid, strict=True)
    await compare(dut, value, multiplier, shift, gap=0.0)


@cocotb.test()
async def ties_round_up(dut: Any) -> None:
    """Products that lie exactly between two results, and their neighbours."""
    _, in_w, _ = parameters()
    grid = [((2 * k + 1) << (s - 1), 1, s) for s in range(1, in_w - 4) for k in range(-4, 4)]
    grid += [(v + d, m, s) for v, m, s in grid for d in (-1, 1)]
    value, multiplier, shift = zip(*grid, strict=True)
    await compare(dut, value, multiplier, shift, gap=0.1)
