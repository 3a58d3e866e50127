# SPDX-License-Identifier: Apache-2.0
"""Every function unit against its reference function: exact equality, random gaps, odd shapes, latency."""

from collections.abc import Callable

import pytest

from peritus.arch.config import load_config

pytestmark = pytest.mark.sim

NORMALIZE = 3  # cycles of rtl/common/peritus_normalize.sv


def adder_tree_latency(inputs: int) -> int:
    return (inputs - 1).bit_length()


@pytest.mark.parametrize("inputs", [8, 11])
def test_adder_tree(bench: Callable[..., None], inputs: int) -> None:
    parameters = {"Inputs": inputs, "InW": 16}
    bench("adder_tree", None, parameters, latency=adder_tree_latency(inputs))


def test_argmax(bench: Callable[..., None]) -> None:
    bench("argmax", None, {"Inputs": 11, "Width": 16}, latency=4)


@pytest.mark.parametrize(
    ("lanes", "in_w", "out_w"),
    [(8, 27, 24), (4, 24, 16), (3, 17, 17)],
    ids=["stage1", "stage2", "score"],
)
def test_requantize(bench: Callable[..., None], lanes: int, in_w: int, out_w: int) -> None:
    bench("requantize", None, {"Lanes": lanes, "InW": in_w, "OutW": out_w}, latency=5)


def test_gelu(bench: Callable[..., None]) -> None:
    bench("gelu", None, {"Lanes": 16}, latency=4)


@pytest.mark.parametrize("lanes", [32, 6])
def test_exp_lookup(bench: Callable[..., None], lanes: int) -> None:
    bench("exp_lookup", None, {"Lanes": lanes}, latency=3, sum_latency=3 + adder_tree_latency(lanes))


def test_reciprocal(bench: Callable[..., None]) -> None:
    bench("reciprocal", latency=NORMALIZE + 5)


def test_rsqrt(bench: Callable[..., None]) -> None:
    bench("rsqrt", latency=NORMALIZE + 6)


@pytest.mark.parametrize("hw", ["nano", "edge"])
def test_router(bench: Callable[..., None], hw: str) -> None:
    config = load_config(hw)
    bench("router", experts=config.max_experts, top_k=config.max_top_k, depth=config.acc_depth)


@pytest.mark.parametrize("hw", ["nano", "edge"])
def test_layernorm(bench: Callable[..., None], hw: str) -> None:
    stats = 1 + adder_tree_latency(load_config(hw).pn) + 1 + 5 + NORMALIZE + 6
    bench("layernorm", hw=hw, latency=2 + stats + 3 + 12)
