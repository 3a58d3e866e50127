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
from peritus.toolchain.build import FAST_FLAGS

pytestmark = pytest.mark.sim

PACKAGES = ["generated/peritus_tables_pkg", "compute/pipeline_pkg", "common/core_pkg"]
# Latencies of the pipeline in cycles (core_pkg.sv says from where to where).
EXP_LOOKUP, REQUANTIZE, GELU, RECIPROCAL = 3, 5, 4, 8
AT_ARRAY = 7 + EXP_LOOKUP
MAC_LATENCY = CASCADE + 5
MAC_FILES = [f"compute/{name}" for name in ("mac_dsp48e2", "mac", "mac_array")]
DSP48E2 = resource("sim/models/DSP48E2.sv")
STAGE2 = 2 + REQUANTIZE + GELU + 1  # from a sum to the operands of stage 2


@pytest.fixture
def bench(run_bench: Callable[..., Any], tmp_path: Path) -> Callable[..., None]:
    """Runs tests/rtl/benches/bench_<top>.py on rtl files for configuration `hw` with some fields replaced."""

    def launch(
        top: str,
        files: list[str],
        hw: str = "nano",
        shape: dict[str, int] | None = None,
        parameters: dict[str, int] | None = None,
        public_depth: int = 1,
        **plusargs: int,
    ) -> None:
        package = tmp_path / "peritus_pkg.sv"
        package.write_text(sv_package(replace(load_config(hw), **(shape or {}))))
        sources = [
            package,
            DSP48E2,
            *(resource(f"rtl/{f}.sv") for f in [*PACKAGES, *files]),
            resource("rtl/lint.vlt"),
        ]
        run_bench(
            top,
            sources,
            f"tests.rtl.benches.bench_{top}",
            parameters=parameters or {},
            public_depth=public_depth,
            plusargs={"hw": hw, **(shape or {}), **(parameters or {}), **plusargs},
        )

    return launch


@pytest.mark.parametrize(("width", "depth", "hold"), [(8, 64, 1), (27, 33, 1), (1, 1, 1), (16, 32, 0)])
def test_ram_1r1w(bench: Callable[..., None], width: int, depth: int, hold: int) -> None:
    bench("ram_1r1w", ["memory/ram_1r1w"], parameters={"Width": width, "Depth": depth, "Hold": hold})


@pytest.mark.parametrize(
    ("shape", "lane_bits", "chunk"),
    [({}, 16, 8), ({"pn": 16}, 8, 4), ({"pn": 32}, 8, 8)],
    ids=["one_slice", "parts_of_slices", "four_slices"],
)
def test_slice_memory(bench: Callable[..., None], shape: dict[str, int], lane_bits: int, chunk: int) -> None:
    files = ["memory/ram_1r1w", "memory/slice_memory"]
    parameters = {"LaneW": lane_bits, "ChunkLanes": chunk, "Words": 48}
    bench("slice_memory", files, "nano", shape, parameters, public_depth=3)


@pytest.mark.parametrize("hw", ["nano", "edge"])
def test_res_init(bench: Callable[..., None], hw: str) -> None:
    bench("res_init", ["memory/res_init"], hw)


@pytest.mark.parametrize(
    ("hw", "pack", "dsp48e2"),
    [("nano", 0, 0), ("nano", 1, 1), ("edge", 0, 0), ("edge", 1, 0), ("edge", 1, 1), ("zcu104", 1, 0)],
)
def test_mac_array(bench: Callable[..., None], hw: str, pack: int, dsp48e2: int) -> None:
    shape = {"pn": min(32, load_config(hw).pn)}
    parameters = {"Pack": pack, "Dsp48e2": dsp48e2}
    bench("mac_array", MAC_FILES, hw, shape, parameters, latency=MAC_LATENCY)


def test_mac(run_bench: Callable[..., Any]) -> None:
    """Behaviour and DSP48E2 in every cycle: all pairs of weights, all operands, then anything at any time."""
    files = [resource(f"rtl/compute/{name}.sv") for name in ("mac_dsp48e2", "mac")]
    top = resource("tests/rtl/benches/mac_equivalence.sv")
    run_bench("mac_equivalence", [DSP48E2, *files, top], "tests.rtl.benches.bench_mac", flags=FAST_FLAGS)


@pytest.mark.parametrize("hw", ["nano", "edge"])
def test_streamer(bench: Callable[..., None], hw: str) -> None:
    bench("streamer", ["compute/streamer"], hw)


@pytest.mark.parametrize(("hw", "pn"), [("nano", 8), ("nano", 32), ("edge", 32), ("zcu104", 32)])
def test_tile_loader(bench: Callable[..., None], hw: str, pn: int) -> None:
    bench("tile_loader", ["compute/tile_loader"], hw, {"pn": pn})


@pytest.mark.parametrize("hw", ["nano", "edge"])
def test_accumulator(bench: Callable[..., None], hw: str) -> None:
    bench("accumulator", ["memory/ram_1r1w", "compute/accumulator"], hw)


@pytest.mark.parametrize("hw", ["nano", "edge"])
def test_write_back(bench: Callable[..., None], hw: str) -> None:
    bench("write_back", ["compute/write_back"], hw)


@pytest.mark.parametrize("hw", ["nano", "edge"])
def test_operand_fetch(bench: Callable[..., None], hw: str) -> None:
    files = ["common/adder_tree", "compute/exp_lookup", "compute/operand_fetch"]
    tree = (load_config(hw).pk - 1).bit_length()
    bench("operand_fetch", files, hw, latency=AT_ARRAY, sum_latency=tree)


@pytest.mark.parametrize(("hw", "pn"), [("nano", 8), ("edge", 32), ("edge", 64)])
def test_softmax_rows(bench: Callable[..., None], hw: str, pn: int) -> None:
    files = ["memory/ram_1r1w", "common/normalize", "compute/reciprocal", "compute/softmax_rows"]
    # An instruction that waits for the last score reads a maximum 9 cycles after it at the earliest: 1 to be
    # written, 1 to be counted, 1 to accept, 1 to begin, and 5 from issue to the request.
    bench("softmax_rows", files, hw, {"pn": pn}, latency=1 + RECIPROCAL, settled=9)


@pytest.mark.parametrize("hw", ["nano", "edge"])
def test_epilogue(bench: Callable[..., None], hw: str) -> None:
    files = [f"compute/{name}" for name in ("round_shift", "requantize", "gelu", "epilogue")]
    bench("epilogue", files, hw, mantissa=STAGE2, latency=1 + STAGE2 + REQUANTIZE, early=2)


@pytest.mark.parametrize("hw", ["nano", "edge"])
def test_sequencer(bench: Callable[..., None], hw: str) -> None:
    bench("sequencer", ["control/sequencer"], hw)


def core_files() -> list[str]:
    """core.sv and everything it instantiates."""
    root = resource("rtl")
    folders = [sorted(root.glob(f"{folder}/*.sv")) for folder in ("common", "compute")]
    names = [str(path.relative_to(root).with_suffix("")) for files in folders for path in files]
    memory = [f"memory/{name}" for name in ("ram_1r1w", "slice_memory", "res_init")]
    return [*(n for n in names if not n.endswith("_pkg")), *memory, "control/sequencer", "core"]


@pytest.mark.parametrize(("hw", "pn"), [("nano", 8), ("nano", 16), ("nano", 32), ("edge", 32)])
def test_core(bench: Callable[..., None], hw: str, pn: int) -> None:
    """All of them measure the attention's operand bandwidth too: PK bytes per cycle whatever PN is."""
    to_write = AT_ARRAY + MAC_LATENCY + STAGE2 + REQUANTIZE + 1
    bench("core", core_files(), hw, {"pn": pn}, latency=to_write)
