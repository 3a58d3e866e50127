# SPDX-License-Identifier: Apache-2.0
"""Blocks of the core, one by one: exact results, random shapes, stalls on every stream, stated latencies."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from peritus.arch.config import HwConfig, load_config
from peritus.arch.units import at, latency
from peritus.eda.verilator.build import FAST_FLAGS

pytestmark = pytest.mark.sim

BENCHES = Path(__file__).parent / "benches"
RECIPROCAL = latency("reciprocal")
LONG = pytest.mark.long


def shaped(name: str, **fields: int) -> HwConfig:
    """Configuration `name` with some fields replaced."""
    return replace(load_config(name), **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("width", "depth", "hold", "bank", "latency"),
    [
        (8, 64, 1, 64, 2),
        (27, 33, 1, 33, 2),
        (1, 1, 1, 1, 2),
        (16, 32, 0, 32, 2),
        (8, 40, 1, 16, 3),
        (8, 40, 1, 40, 3),
    ],
)
def test_ram_1r1w(
    bench: Callable[..., None], width: int, depth: int, hold: int, bank: int, latency: int
) -> None:
    shape = {"Width": width, "Depth": depth, "Hold": hold, "BankDepth": bank, "ReadLatency": latency}
    bench("ram_1r1w", parameters=shape)


@pytest.mark.parametrize(
    ("shape", "lane_bits", "chunk"),
    [({}, 16, 8), ({"pn": 16}, 8, 4), ({"pn": 32}, 8, 8)],
    ids=["one_slice", "parts_of_slices", "four_slices"],
)
def test_slice_memory(bench: Callable[..., None], shape: dict[str, int], lane_bits: int, chunk: int) -> None:
    parameters = {"LaneW": lane_bits, "ChunkLanes": chunk, "Words": 48}
    bench("slice_memory", shaped("nano", **shape), parameters, public_depth=3)


@pytest.mark.parametrize("hw", ["nano", "edge"])
def test_res_init(bench: Callable[..., None], hw: str) -> None:
    bench("res_init", load_config(hw))


@pytest.mark.parametrize("hw", ["nano", "edge"])
def test_res_copy(bench: Callable[..., None], hw: str) -> None:
    bench("res_copy", load_config(hw))


@pytest.mark.parametrize(
    ("hw", "pack", "dsp48e2"),
    [
        ("nano", 0, 0),
        ("nano", 1, 1),
        pytest.param("edge", 0, 0, marks=LONG),
        ("edge", 1, 0),
        ("edge", 1, 1),
        ("zcu104", 1, 0),
    ],
)
def test_mac_array(bench: Callable[..., None], hw: str, pack: int, dsp48e2: int) -> None:
    parameters = {"Pack": pack, "Dsp48e2": dsp48e2}
    config = load_config(hw)
    config = replace(config, pk=min(32, config.pk), pn=min(32, config.pn))
    bench("mac_array", config, parameters, latency=latency("mac_array", dsp_ratio=config.dsp_ratio))


@pytest.mark.parametrize("ratio", [1, 2])
def test_mac(bench: Callable[..., None], ratio: int) -> None:
    """Behaviour and DSP48E2 in every cycle: all pairs of weights, all operands, then anything at any time."""
    bench("mac", None, {"Ratio": ratio}, top="mac_equivalence", folders=[BENCHES], flags=FAST_FLAGS)


@pytest.mark.parametrize("hw", ["nano", "edge"])
def test_streamer(bench: Callable[..., None], hw: str) -> None:
    bench("streamer", load_config(hw))


@pytest.mark.parametrize(
    ("hw", "pn"), [("nano", 8), pytest.param("nano", 32, marks=LONG), ("edge", 32), ("zcu104", 64)]
)
def test_tile_loader(bench: Callable[..., None], hw: str, pn: int) -> None:
    bench("tile_loader", shaped(hw, pn=pn, resident_words=32000, resident_block_words=0))


@pytest.mark.parametrize("hw", ["nano", "edge"])
def test_accumulator(bench: Callable[..., None], hw: str) -> None:
    bench("accumulator", load_config(hw))


@pytest.mark.parametrize("hw", ["nano", "edge"])
def test_write_back(bench: Callable[..., None], hw: str) -> None:
    bench("write_back", load_config(hw))


@pytest.mark.parametrize("hw", ["nano", "edge"])
def test_operand_fetch(bench: Callable[..., None], hw: str) -> None:
    tree = latency("adder_tree", inputs=load_config(hw).pk)
    bench("operand_fetch", load_config(hw), latency=at("ARRAY", 1), sum_latency=tree)


@pytest.mark.parametrize(("hw", "pn"), [("nano", 8), ("edge", 32), ("edge", 64)])
def test_softmax_rows(bench: Callable[..., None], hw: str, pn: int) -> None:
    # An instruction that waits for the last score reads a maximum 9 cycles after it at the earliest: 1 to be
    # written, 1 to be counted, 1 to accept, 1 to begin, and 5 from issue to the request.
    bench("softmax_rows", shaped(hw, pn=pn), latency=1 + RECIPROCAL, settled=9)


@pytest.mark.parametrize("hw", ["nano", "edge"])
def test_epilogue(bench: Callable[..., None], hw: str) -> None:
    bench(
        "epilogue",
        load_config(hw),
        mantissa=at("STAGE2", 1) - at("SUM", 1),
        latency=at("RESULT", 1) - at("SUM", 1) + 1,
        early=3,
    )


@pytest.mark.parametrize("hw", ["nano", "edge"])
def test_sequencer(bench: Callable[..., None], hw: str) -> None:
    bench("sequencer", load_config(hw))


@pytest.mark.parametrize(
    ("hw", "pn"),
    [
        ("nano", 8),
        *(pytest.param(hw, pn, marks=LONG) for hw, pn in (("nano", 16), ("nano", 32), ("edge", 32))),
    ],
)
def test_core(bench: Callable[..., None], hw: str, pn: int) -> None:
    """All of them measure the attention's operand bandwidth too: PK bytes per cycle whatever PN is."""
    bench("core", shaped(hw, pn=pn), latency=at("RESULT", load_config(hw).dsp_ratio) + 1)
