# SPDX-License-Identifier: Apache-2.0
"""Blocks of the core, one by one: exact results, random shapes, stalls on every stream, stated latencies."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from peritus.hw.config import CASCADE, load_config
from peritus.hw.emit import sv_package
from peritus.resources import resource

pytestmark = pytest.mark.sim

PACKAGES = ["generated/peritus_tables_pkg", "compute/latency_pkg", "common/core_pkg"]
MAC_LATENCY = CASCADE + 3


@pytest.fixture
def bench(run_bench: Callable[..., Any], tmp_path: Path) -> Callable[..., None]:
    """Runs tests/rtl/benches/bench_<top>.py on rtl files for configuration `hw` with some fields replaced."""

    def launch(
        top: str,
        files: list[str],
        hw: str = "nano",
        shape: dict[str, int] | None = None,
        parameters: dict[str, int] | None = None,
        **plusargs: int,
    ) -> None:
        package = tmp_path / "peritus_pkg.sv"
        package.write_text(sv_package(replace(load_config(hw), **(shape or {}))))
        sources = [package, *(resource(f"rtl/{f}.sv") for f in [*PACKAGES, *files]), resource("rtl/lint.vlt")]
        run_bench(
            top,
            sources,
            f"tests.rtl.benches.bench_{top}",
            parameters=parameters or {},
            plusargs={"hw": hw, **(shape or {}), **(parameters or {}), **plusargs},
        )

    return launch


@pytest.mark.parametrize("pack", [0, 1])
@pytest.mark.parametrize("hw", ["nano", "edge"])
def test_mac_array(bench: Callable[..., None], hw: str, pack: int) -> None:
    bench("mac_array", ["compute/mac_array"], hw, parameters={"Pack": pack}, latency=MAC_LATENCY)


def core_files() -> list[str]:
    """core.sv and everything it instantiates."""
    root = resource("rtl")
    folders = [sorted(root.glob(f"{folder}/*.sv")) for folder in ("common", "compute")]
    names = [str(path.relative_to(root).with_suffix("")) for files in folders for path in files]
    memory = [f"memory/{name}" for name in ("ram_1r1w", "slice_memory", "res_init")]
    return [*(n for n in names if not n.endswith("_pkg")), *memory, "control/sequencer", "core"]


def test_core(bench: Callable[..., None]) -> None:
    bench("core", core_files())
