# SPDX-License-Identifier: Apache-2.0
"""The estimate for UltraScale+: lanes continued and blocks multiplied are what flat synthesis counts."""

import re
from pathlib import Path

import pytest

from peritus.arch.config import load_config
from peritus.eda.yosys import xcup
from peritus.eda.yosys.estimate import LANE_BLOCKS, SAMPLES, WHOLE_BLOCKS, Synthesizer, continued
from peritus.resources import resource

DESIGN = Path(__file__).parent / "designs" / "estimate"


@pytest.mark.synth
def test_multiplied_through_the_hierarchy_equals_flat(tmp_path: Path) -> None:
    """Six lanes from the samples, three blocks from one: counts and depth as in one flat netlist."""
    sources = [DESIGN / f"{name}.sv" for name in ("peritus_pkg", "lane_unit", "three_units")]
    work = Synthesizer("test", files=sources, cache_dir=tmp_path, timeout_s=300)
    top = work.run("three_units", left_out=["lane_unit"])
    unit = [work.run("lane_unit", lanes=lanes) for lanes in SAMPLES]
    flat = work.run("three_units")

    assert top.left_out == {"lane_unit": 3}
    one = continued([run.resources for run in unit], SAMPLES, lanes=6)
    assert one["DSP48E2"] == 6
    assert {kind: top.resources[kind] + 3 * one[kind] for kind in xcup.RESOURCES} == flat.resources
    assert flat.levels == max(top.levels, *(run.levels for run in unit)) > 1


def test_no_block_is_forgotten() -> None:
    """What the core and the top instantiate is a block of the estimate, or part of their own synthesis."""
    own = {f"peritus_{name}" for name in ("core", "fifo", "slice_memory", "ram_1r1w")}
    text = resource("rtl/peritus_core.sv").read_text() + resource("rtl/peritus_top.sv").read_text()
    found = set(re.findall(r"^  (\w+) (?:#\([^;]*?\) )?u_\w+ \(", text, re.MULTILINE))
    assert found == own | {*LANE_BLOCKS, *WHOLE_BLOCKS}


def test_half_a_block_ram_and_luts_as_memory() -> None:
    cells = {
        "RAMB18E2": 3,
        "RAMB36E2": 1,
        "RAM64M8": 2,
        "SRL16E": 5,
        "LUT6": 10,
        "INV": 7,
        "FDRE": 4,
        "FDSE": 1,
    }
    assert xcup.resources(cells) == {"DSP48E2": 0, "URAM288": 0, "RAMB36": 2.5, "LUT": 31, "FF": 5}


@pytest.mark.synth
def test_lanes_of_a_block_of_the_accelerator() -> None:
    """Memories and adders of sixteen accumulator lanes: what the samples say, within 1 %."""
    work = Synthesizer(load_config("nano"), timeout_s=300)
    found = work.run("peritus_accumulator", lanes=16).resources
    said = continued(
        [work.run("peritus_accumulator", lanes=lanes).resources for lanes in SAMPLES], SAMPLES, lanes=16
    )
    assert found["RAMB36"] + found["LUT"] > 0
    assert said == pytest.approx(found, rel=0.01)
