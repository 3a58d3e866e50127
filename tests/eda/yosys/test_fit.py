# SPDX-License-Identifier: Apache-2.0
"""The accelerator of the ZCU104 stays within its budget. A file of its own: it takes a minute or two."""

from dataclasses import replace

import pytest

from peritus.arch.config import load_config
from peritus.eda.errors import DoesNotFit
from peritus.eda.yosys import xcup
from peritus.eda.yosys.estimate import estimate
from peritus.eda.yosys.fit import check_fits

# What the configuration was made for; RAM: what the device has.
BUDGET = {"DSP48E2": 1_400, "URAM288": 96, "RAMB36": 312, "LUT": 200_000, "FF": 460_800}
MAX_LEVELS = 7


@pytest.mark.synth
def test_zcu104_keeps_its_budget() -> None:
    hw = load_config("zcu104")
    result = estimate(hw, timeout_s=900)
    blocks = {block.name: block for block in result.blocks}
    # Two MACs a slice, dsp_ratio times a cycle.
    assert blocks["peritus_mac_array"].resources["DSP48E2"] == hw.macs_per_cycle / 2 / hw.dsp_ratio
    assert {kind: number for kind, number in result.total.items() if number > BUDGET[kind]} == {}
    assert {name: block.levels for name, block in blocks.items() if block.levels > MAX_LEVELS} == {}
    check_fits(result)
    largest = max(result.blocks, key=lambda block: block.resources["LUT"])
    with pytest.raises(DoesNotFit, match=r"zcu104 does not fit an XCZU7EV: .*, [\d,]+ LUT of 230,400"):
        check_fits(replace(result, blocks=(*result.blocks, *[largest] * 3)))
    assert set(BUDGET) == set(xcup.RESOURCES)
