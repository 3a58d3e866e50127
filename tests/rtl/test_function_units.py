# SPDX-License-Identifier: Apache-2.0
"""Every function unit against its reference function: exact equality, random gaps, odd shapes, latency."""

from collections.abc import Callable
from typing import Any

import pytest

from peritus.hw.config import load_config
from peritus.resources import resource

pytestmark = pytest.mark.sim

PACKAGES = ["generated/peritus_tables_pkg.sv", "compute/pipeline_pkg.sv"]
NORMALIZE = 3  # cycles of rtl/common/normalize.sv


@pytest.fixture
def bench(run_bench: Callable[..., Any]) -> Callable[..., None]:
    """Runs tests/rtl/benches/bench_<top>.py; the bench reads parameters and `expected` as plusargs."""

    def launch(top: str, files: list[str], parameters: dict[str, int], **expected: int | str) -> None:
        run_bench(
            top,
            [resource(f"rtl/{name}") for name in [*PACKAGES, *files]],
            f"tests.rtl.benches.bench_{top}",
            parameters=parameters,
            plusargs={**parameters, **expected},
        )

    return launch


def adder_tree_latency(inputs: int) -> int:
    return (inputs - 1).bit_length()


@pytest.mark.parametrize("inputs", [8, 11])
def test_adder_tree(bench: Callable[..., None], inputs: int) -> None:
    parameters = {"Inputs": inputs, "InW": 16}
    bench("adder_tree", ["common/adder_tree.sv"], parameters, latency=adder_tree_latency(inputs))


def test_argmax(bench: Callable[..., None]) -> None:
    bench("argmax", ["common/argmax.sv"], {"Inputs": 11, "Width": 16}, latency=4)


@pytest.mark.parametrize(
    ("lanes", "in_w", "out_w"),
    [(8, 27, 24), (4, 24, 16), (3, 17, 17)],
    ids=["stage1", "stage2", "score"],
)
def test_requantize(bench: Callable[..., None], lanes: int, in_w: int, out_w: int) -> None:
    files = ["compute/round_shift.sv", "compute/requantize.sv"]
    bench("requantize", files, {"Lanes": lanes, "InW": in_w, "OutW": out_w}, latency=5)


def test_gelu(bench: Callable[..., None]) -> None:
    bench("gelu", ["compute/gelu.sv"], {"Lanes": 16}, latency=4)


@pytest.mark.parametrize("lanes", [32, 6])
def test_exp_lookup(bench: Callable[..., None], lanes: int) -> None:
    files = ["common/adder_tree.sv", "compute/exp_lookup.sv"]
    bench("exp_lookup", files, {"Lanes": lanes}, latency=3, sum_latency=3 + adder_tree_latency(lanes))


def test_reciprocal(bench: Callable[..., None]) -> None:
    files = ["common/normalize.sv", "compute/reciprocal.sv"]
    bench("reciprocal", files, {}, latency=NORMALIZE + 5)


def test_rsqrt(bench: Callable[..., None]) -> None:
    bench("rsqrt", ["common/normalize.sv", "compute/rsqrt.sv"], {}, latency=NORMALIZE + 6)


@pytest.mark.parametrize("hw", ["nano", "edge"])
def test_router(bench: Callable[..., None], hw: str) -> None:
    config = load_config(hw)
    common = ["adder_tree", "argmax", "delay_line", "normalize"]
    compute = [
        "expert_queue",
        "gate_exp",
        "gate_score",
        "reciprocal",
        "requantize",
        "round_shift",
        "topk_stage",
    ]
    files = [f"generated/{hw}/peritus_pkg.sv", *(f"common/{name}.sv" for name in common)]
    files += [*(f"compute/{name}.sv" for name in compute), "compute/router.sv"]
    bench("router", files, {}, experts=config.max_experts, top_k=config.max_top_k, depth=config.acc_depth)


@pytest.mark.parametrize("hw", ["nano", "edge"])
def test_layernorm(bench: Callable[..., None], hw: str) -> None:
    common = ["adder_tree", "delay_line", "normalize", "row_walker"]
    compute = ["norm_lanes", "norm_params", "norm_replay", "norm_stats", "requantize", "round_shift", "rsqrt"]
    files = [
        f"generated/{hw}/peritus_pkg.sv",
        "memory/ram_1r1w.sv",
        *(f"common/{name}.sv" for name in common),
    ]
    files += [*(f"compute/{name}.sv" for name in compute), "compute/layernorm.sv"]
    stats = 1 + adder_tree_latency(load_config(hw).pn) + 1 + 5 + NORMALIZE + 6
    bench("layernorm", files, {}, hw=hw, latency=2 + stats + 3 + 12)
