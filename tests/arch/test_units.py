# SPDX-License-Identifier: Apache-2.0
"""Formulas of the latency tables: what they evaluate to, and what they become in SystemVerilog."""

import pytest

from peritus.arch.config import CASCADE
from peritus.arch.isa import Scale2
from peritus.arch.params import FIELDS, block_words, param_word
from peritus.arch.units import STAGES, UNITS, at, latency
from peritus.codegen.latency import _systemverilog


def test_formulas() -> None:
    assert latency("requantize") == 2 + latency("round_shift")
    assert [latency("adder_tree", inputs=n) for n in (1, 2, 8, 9)] == [0, 1, 3, 4]
    chosen, total = latency("gate_chosen", experts=16, top_k=4), latency("gate_sum", experts=16)
    score = latency("gate_score", experts=16, top_k=4)
    assert score == max(chosen, total) + latency("requantize") + 1
    assert at("RESULT", 1) - at("STAGE2", 1) == latency("requantize")
    assert at("SUM", 1) - at("ARRAY", 1) == latency("mac_array", dsp_ratio=1) == CASCADE + 6
    assert at("SUM", 1) - at("SUM", 2) == 3


@pytest.mark.parametrize("dsp_ratio", [1, 2])
def test_stages_are_in_order(dsp_ratio: int) -> None:
    cycles = [at(name, dsp_ratio) for name, _, _ in STAGES]
    assert cycles == sorted(set(cycles))


def test_names_are_unique() -> None:
    assert len({unit.name for unit in UNITS}) == len(UNITS)
    roms = [rom.name for unit in UNITS for rom in unit.roms]
    assert len(set(roms)) == len(roms)
    assert all(rom.values.min() >= 0 and rom.values.max() < 1 << rom.bits for u in UNITS for rom in u.roms)


def test_wrong_questions() -> None:
    with pytest.raises(KeyError):
        latency("softplus")
    with pytest.raises(TypeError, match=r"unit adder_tree: sizes \[\], must be \['inputs'\]"):
        latency("adder_tree")
    with pytest.raises(ValueError, match="cannot be written"):
        _systemverilog("rsqrt - 1")


def test_systemverilog() -> None:
    assert _systemverilog("1 + adder_tree(lanes) + rsqrt") == "1 + adder_tree_latency(lanes) + RSQRT_LATENCY"
    assert _systemverilog("max(clog2(inputs), 2)") == "(($clog2(inputs) > 2) ? $clog2(inputs) : 2)"
    assert _systemverilog("8 // dsp_ratio + exp_lookup") == "8 / dsp_ratio + EXP_LOOKUP_LATENCY"


def test_parameter_block_words() -> None:
    assert {scale2.name: block_words(scale2) for scale2 in Scale2} == {
        "NONE": 4,
        "CHANNEL": 5,
        "SCORE": 4,
        "RECIP": 4,
    }
    assert [param_word(field.name) for field in FIELDS] == [0, 2, 3, 3, 4]
