# SPDX-License-Identifier: Apache-2.0
"""Blocks of the memory side, one by one: random data and shapes, stalls on every stream, bad requests."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from peritus.arch.config import ABI_VERSION, BURST_BEATS, HwConfig, load_config

pytestmark = pytest.mark.sim

BENCHES = Path(__file__).parent / "benches"
NANO = load_config("nano")
# The full width and port count of the large configurations with a small ring, so that benches wrap it often.
EDGE = replace(load_config("edge"), weight_store_words=64)
ZCU104 = replace(load_config("zcu104"), pk=32, weight_store_words=96)
SMALL_NANO = replace(NANO, weight_store_words=64)


@pytest.mark.parametrize("depth", [1, 2, 4, 5])
def test_fifo(bench: Callable[..., None], depth: int) -> None:
    bench("fifo", NANO, {"Width": 40, "Depth": depth})


@pytest.mark.parametrize(("hw", "align"), [(NANO, 64), (ZCU104, 256)], ids=["nano", "zcu104"])
def test_guard(bench: Callable[..., None], hw: HwConfig, align: int) -> None:
    bench("guard", hw, {"AlignBytes": align})


@pytest.mark.parametrize("hw", [NANO, ZCU104], ids=["nano", "zcu104"])
def test_burst_builder(bench: Callable[..., None], hw: HwConfig) -> None:
    bench("burst_builder", hw, burst_beats=BURST_BEATS)


@pytest.mark.parametrize("chunks", [1, 4, 8])
def test_patch_walker(bench: Callable[..., None], chunks: int) -> None:
    bench("patch_walker", NANO, {"AddrW": 11, "ChunksPerWord": chunks})


@pytest.mark.parametrize("hw", [EDGE, ZCU104], ids=["edge", "zcu104"])
def test_image_ports(bench: Callable[..., None], hw: HwConfig) -> None:
    bench("image_ports", hw)


@pytest.mark.parametrize("block", [0, 24, 40])
def test_resident(bench: Callable[..., None], block: int) -> None:
    bench("resident", replace(NANO, resident_words=40, resident_block_words=block))


@pytest.mark.parametrize(("hw", "clients", "most"), [(NANO, 1, 2), (NANO, 3, 16), (ZCU104, 3, 4)])
def test_axi_reader(bench: Callable[..., None], hw: HwConfig, clients: int, most: int) -> None:
    bench("axi_reader", hw, {"NumClients": clients, "MaxBursts": most})


@pytest.mark.parametrize(("hw", "most"), [(NANO, 1), (ZCU104, 16)], ids=["nano", "zcu104"])
def test_axi_writer(bench: Callable[..., None], hw: HwConfig, most: int) -> None:
    bench("axi_writer", hw, {"MaxBursts": most})


RINGS = pytest.mark.parametrize(
    "hw",
    [SMALL_NANO, pytest.param(EDGE, marks=pytest.mark.long), ZCU104],
    ids=["nano", "edge", "zcu104"],
)


def ring(hw: HwConfig) -> dict[str, int]:
    stripes = hw.weight_store_words // hw.stripe_words
    return {"stripe_bytes": hw.stripe_bytes, "ring_stripes": stripes, "tile_words": hw.tile_words}


@RINGS
def test_weight_fetch(bench: Callable[..., None], hw: HwConfig) -> None:
    bench("weight_fetch", hw, **ring(hw))


@RINGS
def test_weight_store(bench: Callable[..., None], hw: HwConfig) -> None:
    bench("weight_store", hw, **ring(hw))


WIDTHS = pytest.mark.parametrize("hw", [NANO, EDGE, ZCU104], ids=["nano", "edge", "zcu104"])


@WIDTHS
def test_image_loader(bench: Callable[..., None], hw: HwConfig) -> None:
    bench("image_loader", hw, act_words=hw.act_words)


@WIDTHS
def test_result_writer(bench: Callable[..., None], hw: HwConfig) -> None:
    bench("result_writer", hw, residual_words=hw.residual_words)


@pytest.mark.parametrize("hw", [NANO, ZCU104], ids=["nano", "zcu104"])
def test_program_loader(bench: Callable[..., None], hw: HwConfig) -> None:
    bench("program_loader", hw, program_depth=hw.program_depth, fetch_depth=hw.fetch_depth)


@pytest.mark.parametrize("hw", [NANO, ZCU104], ids=["nano", "zcu104"])
def test_program_memory(bench: Callable[..., None], hw: HwConfig) -> None:
    bench("program_memory", hw, program_depth=hw.program_depth, fetch_depth=hw.fetch_depth)


@pytest.mark.parametrize("hold", [1, 16])
def test_reset_control(bench: Callable[..., None], hold: int) -> None:
    bench("reset_control", NANO, {"HoldCycles": hold})


def test_axil_slave(bench: Callable[..., None]) -> None:
    bench("axil_slave", NANO, {"AddressWidth": 12})


def test_job_queue(bench: Callable[..., None]) -> None:
    bench("job_queue", NANO)


def test_error_capture(bench: Callable[..., None]) -> None:
    bench("error_capture", NANO)


@pytest.mark.parametrize("hw", [NANO, ZCU104], ids=["nano", "zcu104"])
def test_perf_counters(bench: Callable[..., None], hw: HwConfig) -> None:
    bench("perf_counters", hw)


@RINGS
def test_peritus_top(bench: Callable[..., None], hw: HwConfig) -> None:
    """Everything but the core, whose place the bench takes."""
    bench(
        "peritus_top",
        hw,
        top="peritus_top",
        folders=[BENCHES],
        public_depth=2,
        stripe_bytes=hw.stripe_bytes,
        act_words=hw.act_words,
        residual_words=hw.residual_words,
        abi=ABI_VERSION,
        hash=f"{hw.hash64:x}",
    )
