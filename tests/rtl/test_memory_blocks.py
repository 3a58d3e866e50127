# SPDX-License-Identifier: Apache-2.0
"""Blocks of the memory side, one by one: random data and shapes, stalls on every stream, bad requests."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from peritus.hw.config import ABI_VERSION, BURST_BEATS, HwConfig, load_config
from peritus.hw.emit import sv_package
from peritus.resources import resource

pytestmark = pytest.mark.sim

NANO = load_config("nano")
# The full width and port count of the large configurations with a small ring, so that benches wrap it often.
EDGE = replace(load_config("edge"), weight_store_words=64)
ZCU104 = replace(load_config("zcu104"), weight_store_words=96)
SMALL_NANO = replace(NANO, weight_store_words=64)

CONTROL = (
    "control_unit",
    "error_capture",
    "job_queue",
    "perf_counters",
    "program_loader",
    "program_memory",
    "reset_control",
)
MEMORY = (
    "axi_reader",
    "axi_writer",
    "burst_builder",
    "guard",
    "image_loader",
    "loop_nest",
    "memory_side",
    "patch_walker",
    "ram_1r1w",
    "result_writer",
    "weight_fetch",
    "weight_store",
)


@pytest.fixture
def bench(run_bench: Callable[..., Any], tmp_path: Path) -> Callable[..., None]:
    """Runs tests/rtl/benches/bench_<top>.py on rtl files for one configuration; plusargs reach the bench."""

    def launch(
        top: str,
        files: list[str],
        hw: HwConfig = NANO,
        parameters: dict[str, int] | None = None,
        **plusargs: int,
    ) -> None:
        shape = {"pn": hw.pn, "axi_bytes": hw.axi_data_bytes, "axi_ports": hw.axi_ports}
        package = tmp_path / "peritus_pkg.sv"
        package.write_text(sv_package(hw))
        sources = [package, resource("rtl/control/control_pkg.sv"), *(resource(f"rtl/{f}.sv") for f in files)]
        run_bench(
            top,
            [*sources, resource("rtl/lint.vlt")],
            f"tests.rtl.benches.bench_{top}",
            parameters=parameters or {},
            plusargs={**(parameters or {}), **shape, **plusargs},
        )

    return launch


@pytest.mark.parametrize("depth", [1, 2, 4, 5])
def test_fifo(bench: Callable[..., None], depth: int) -> None:
    bench("fifo", ["common/fifo"], parameters={"Width": 40, "Depth": depth})


@pytest.mark.parametrize(("hw", "align"), [(NANO, 64), (ZCU104, 256)], ids=["nano", "zcu104"])
def test_guard(bench: Callable[..., None], hw: HwConfig, align: int) -> None:
    bench("guard", ["memory/guard"], hw, {"AlignBytes": align})


@pytest.mark.parametrize("hw", [NANO, ZCU104], ids=["nano", "zcu104"])
def test_burst_builder(bench: Callable[..., None], hw: HwConfig) -> None:
    bench("burst_builder", ["memory/burst_builder"], hw, burst_beats=BURST_BEATS)


@pytest.mark.parametrize("chunks", [1, 4, 8])
def test_patch_walker(bench: Callable[..., None], chunks: int) -> None:
    files = ["memory/loop_nest", "memory/patch_walker"]
    bench("patch_walker", files, parameters={"AddrW": 11, "ChunksPerWord": chunks})


@pytest.mark.parametrize(("hw", "clients", "most"), [(NANO, 1, 2), (NANO, 3, 16), (ZCU104, 3, 4)])
def test_axi_reader(bench: Callable[..., None], hw: HwConfig, clients: int, most: int) -> None:
    files = ["common/fifo", "memory/axi_reader"]
    bench("axi_reader", files, hw, {"NumClients": clients, "MaxBursts": most})


@pytest.mark.parametrize(("hw", "most"), [(NANO, 1), (ZCU104, 16)], ids=["nano", "zcu104"])
def test_axi_writer(bench: Callable[..., None], hw: HwConfig, most: int) -> None:
    bench("axi_writer", ["memory/axi_writer"], hw, {"MaxBursts": most})


RINGS = pytest.mark.parametrize("hw", [SMALL_NANO, EDGE, ZCU104], ids=["nano", "edge", "zcu104"])


def ring(hw: HwConfig) -> dict[str, int]:
    stripes = hw.weight_store_words // hw.stripe_words
    return {"stripe_bytes": hw.stripe_bytes, "ring_stripes": stripes, "tile_words": hw.tile_words}


@RINGS
def test_weight_fetch(bench: Callable[..., None], hw: HwConfig) -> None:
    bench("weight_fetch", ["memory/guard", "memory/weight_fetch"], hw, **ring(hw))


@RINGS
def test_weight_store(bench: Callable[..., None], hw: HwConfig) -> None:
    bench("weight_store", ["common/fifo", "memory/ram_1r1w", "memory/weight_store"], hw, **ring(hw))


WIDTHS = pytest.mark.parametrize("hw", [NANO, EDGE, ZCU104], ids=["nano", "edge", "zcu104"])


@WIDTHS
def test_image_loader(bench: Callable[..., None], hw: HwConfig) -> None:
    files = [
        f"memory/{name}" for name in ("loop_nest", "patch_walker", "burst_builder", "guard", "image_loader")
    ]
    bench("image_loader", files, hw, act_words=hw.act_words)


@WIDTHS
def test_result_writer(bench: Callable[..., None], hw: HwConfig) -> None:
    files = [
        f"memory/{name}" for name in ("loop_nest", "patch_walker", "burst_builder", "guard", "result_writer")
    ]
    bench("result_writer", ["common/fifo", *files], hw, residual_words=hw.residual_words)


@pytest.mark.parametrize("hw", [NANO, ZCU104], ids=["nano", "zcu104"])
def test_program_loader(bench: Callable[..., None], hw: HwConfig) -> None:
    files = ["memory/burst_builder", "memory/guard", "control/program_loader"]
    bench("program_loader", files, hw, program_depth=hw.program_depth, fetch_depth=hw.fetch_depth)


@pytest.mark.parametrize("hw", [NANO, ZCU104], ids=["nano", "zcu104"])
def test_program_memory(bench: Callable[..., None], hw: HwConfig) -> None:
    files = ["memory/ram_1r1w", "control/program_memory"]
    bench("program_memory", files, hw, program_depth=hw.program_depth, fetch_depth=hw.fetch_depth)


@pytest.mark.parametrize("hold", [1, 16])
def test_reset_control(bench: Callable[..., None], hold: int) -> None:
    bench("reset_control", ["control/reset_control"], parameters={"HoldCycles": hold})


def test_job_queue(bench: Callable[..., None]) -> None:
    bench("job_queue", ["common/fifo", "control/job_queue"])


def test_error_capture(bench: Callable[..., None]) -> None:
    bench("error_capture", ["generated/csr_pkg", "control/error_capture"])


@pytest.mark.parametrize("hw", [NANO, ZCU104], ids=["nano", "zcu104"])
def test_perf_counters(bench: Callable[..., None], hw: HwConfig) -> None:
    bench("perf_counters", ["control/perf_counters"], hw)


@RINGS
def test_peritus_top(run_bench: Callable[..., Any], tmp_path: Path, hw: HwConfig) -> None:
    """Everything but the core, whose place the bench takes."""
    package = tmp_path / "peritus_pkg.sv"
    package.write_text(sv_package(hw))
    packages = ["control/control_pkg", "generated/csr_pkg"]
    blocks = [*(f"control/{name}" for name in CONTROL), *(f"memory/{name}" for name in MEMORY)]
    blocks += ["generated/csr", "common/fifo", "peritus_top"]
    sources = [package, *(resource(f"rtl/{name}.sv") for name in [*packages, *blocks])]
    run_bench(
        "peritus_top",
        [*sources, resource("tests/rtl/benches/core_probe.sv"), resource("rtl/lint.vlt")],
        "tests.rtl.benches.bench_peritus_top",
        public_depth=2,
        plusargs={
            "pn": hw.pn,
            "axi_bytes": hw.axi_data_bytes,
            "axi_ports": hw.axi_ports,
            "stripe_bytes": hw.stripe_bytes,
            "act_words": hw.act_words,
            "residual_words": hw.residual_words,
            "abi": ABI_VERSION,
            "hash": f"{hw.hash64:x}",
        },
    )
