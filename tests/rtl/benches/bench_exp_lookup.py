# SPDX-License-Identifier: Apache-2.0
"""exp_lookup against peritus.reference.softmax."""

from typing import Any

import cocotb
import numpy as np

from peritus.reference.softmax import probabilities
from tests.rtl.benches.pipeline import Ints, check_equal, reset, run


async def compare(dut: Any, score: Ints, maximum: Ints, keep: Ints, gap: float) -> None:
    await reset(dut)
    result, latency = await run(
        dut,
        {"score_i": score, "maximum_i": maximum, "keep_i": keep},
        {"valid_o": {"p_o": False}, "sum_valid_o": {"sum_o": False}},
        gap=gap,
    )
    kept = np.where(keep == 1, score, maximum[:, None])
    expected = np.where(keep == 1, probabilities(kept, maximum[:, None]), 0)
    check_equal("p_o", result["p_o"], expected)
    check_equal("sum_o", result["sum_o"], expected.sum(axis=1, keepdims=True))
    assert latency["valid_o"] == int(cocotb.plusargs["latency"])
    assert latency["sum_valid_o"] == int(cocotb.plusargs["sum_latency"])


@cocotb.test()
async def random_scores(dut: Any) -> None:
    """Near and far scores; a maximum of the kept lanes or above."""
    lanes = int(cocotb.plusargs["Lanes"])
    rng = np.random.default_rng(cocotb.RANDOM_SEED)
    n = 600
    spread = rng.choice([4, 64, 256, 300, 65535], size=(n, 1))
    maximum = rng.integers(-(1 << 15), 1 << 15, n)
    score = np.maximum(maximum[:, None] - rng.integers(0, spread + 1, (n, lanes)), -(1 << 15))
    keep = (rng.random((n, lanes)) < rng.choice([0.0, 0.5, 1.0], size=(n, 1))).astype(np.int64)
    score = np.where(keep == 1, score, rng.integers(-(1 << 15), 1 << 15, (n, lanes)))
    await compare(dut, score, maximum, keep, gap=0.3)


@cocotb.test()
async def every_distance(dut: Any) -> None:
    """Distances 0..511 at both ends of the score range, and the largest distance; all lanes kept."""
    lanes = int(cocotb.plusargs["Lanes"])
    distances = np.resize(np.arange(512), -(-512 // lanes) * lanes).reshape(-1, lanes)
    top, bottom = (1 << 15) - 1, -(1 << 15) + 511
    score = np.concatenate([top - distances, bottom - distances, np.full((1, lanes), -(1 << 15))])
    maximum = np.concatenate([np.full(len(distances), top), np.full(len(distances), bottom), [top]])
    await compare(dut, score, maximum, np.ones_like(score), gap=0.0)
