# SPDX-License-Identifier: Apache-2.0
"""Every function unit against its reference function: exact equality, random gaps, odd shapes, latency."""

from collections.abc import Callable

import pytest

from peritus.arch.config import load_config
from peritus.arch.units import latency

pytestmark = pytest.mark.sim


@pytest.mark.parametrize("inputs", [8, 11])
def test_adder_tree(bench: Callable[..., None], inputs: int) -> None:
    parameters = {"Inputs": inputs, "InW": 16}
    bench("adder_tree", None, parameters, latency=latency("adder_tree", inputs=inputs))


def test_argmax(bench: Callable[..., None]) -> None:
    bench("argmax", None, {"Inputs": 11, "Width": 16}, latency=latency("argmax", inputs=11))


@pytest.mark.parametrize(
    ("lanes", "in_w", "out_w"),
    [(8, 27, 24), (4, 24, 16), (3, 17, 17)],
    ids=["stage1", "stage2", "score"],
)
def test_requantize(bench: Callable[..., None], lanes: int, in_w: int, out_w: int) -> None:
    bench("requantize", None, {"Lanes": lanes, "InW": in_w, "OutW": out_w}, latency=latency("requantize"))


def test_activation(bench: Callable[..., None]) -> None:
    bench("activation", None, {"Lanes": 16}, latency=latency("activation"))


@pytest.mark.parametrize("lanes", [32, 6])
def test_exp_lookup(bench: Callable[..., None], lanes: int) -> None:
    probability = latency("exp_lookup")
    total = probability + latency("adder_tree", inputs=lanes)
    bench("exp_lookup", None, {"Lanes": lanes}, latency=probability, sum_latency=total)


def test_reciprocal(bench: Callable[..., None]) -> None:
    bench("reciprocal", latency=latency("reciprocal"))


def test_rsqrt(bench: Callable[..., None]) -> None:
    bench("rsqrt", latency=latency("rsqrt"))


@pytest.mark.parametrize("hw", ["nano", "edge"])
def test_router(bench: Callable[..., None], hw: str) -> None:
    config = load_config(hw)
    bench("router", config, experts=config.max_experts, top_k=config.max_top_k, depth=config.acc_depth)


@pytest.mark.parametrize("hw", ["nano", "edge"])
def test_layernorm(bench: Callable[..., None], hw: str) -> None:
    config = load_config(hw)
    passed = latency("norm_stats", lanes=config.pn) + latency("norm_replay") + latency("norm_lanes")
    bench("layernorm", config, latency=2 + passed)
