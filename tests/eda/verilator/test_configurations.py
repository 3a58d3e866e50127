# SPDX-License-Identifier: Apache-2.0
"""Every configuration that keeps its rules is a design: at their ends Verilator has nothing to say."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest

from peritus.arch.config import ConfigError, HwConfig, load_config
from peritus.eda.lint.verilator import lint_verilator
from peritus.eda.sources import TOP
from peritus.fuzz import draw_hardware

pytestmark = pytest.mark.sim
NANO = load_config("nano")
# Not memories of this range: the widest row, and the resident set, which has its own.
OTHERS = {"max_d_words", "resident_words", "resident_block_words"}
MEMORIES = [f.name for f in fields(HwConfig) if f.name.endswith("_words") and f.name not in OTHERS]
LARGEST = {
    **dict.fromkeys(MEMORIES, 1 << 16),
    "acc_depth": 4094,
    "program_depth": 1 << 15,
    "fetch_depth": 1 << 15,
    "max_d_words": 128,
    "resident_words": 32760,
    "resident_block_words": 32744,
}
SMALLEST = {
    **dict.fromkeys(MEMORIES, 16),
    "acc_depth": 8,
    "program_depth": 16,
    "fetch_depth": 16,
    "max_d_words": 2,
    "max_experts": 2,
    "max_top_k": 1,
    "resident_words": 16,
    "resident_block_words": 16,
}
DOUBLE = {
    "pk": 64,
    "pn": 64,
    "axi_data_bytes": 16,
    "pack_macs": True,
    "dsp_ratio": 2,
    "weight_store_words": 128,
}
WIDE = {"pk": 32, "pn": 64, "axi_data_bytes": 16, "axi_ports": 4, "max_d_words": 16, "max_experts": 64}


@pytest.mark.parametrize(
    "values",
    [
        LARGEST,
        SMALLEST,
        {**WIDE, "max_top_k": 4},
        {**WIDE, "pk": 16, "axi_data_bytes": 8, "max_experts": 3, "max_top_k": 3},
        {"pk": 32, "pn": 32, "axi_data_bytes": 16, "pack_macs": True},
        {"max_experts": 8, "max_top_k": 4, "axi_ports": 2},
        DOUBLE,
        {**DOUBLE, "int4": True, "axi_ports": 4, "resident_words": 4096, "resident_block_words": 16},
        {"int4": True, "resident_words": 48, "resident_block_words": 16},
    ],
)
def test_at_the_ends(values: dict[str, Any]) -> None:
    assert lint_verilator(replace(NANO, **values), TOP)


@pytest.mark.parametrize("seed", range(6))
def test_drawn(seed: int) -> None:
    assert lint_verilator(draw_hardware(seed), TOP)


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"axi_ports": 4}, "axi_ports = 4, must be at most the 2 beats of a weight word"),
        ({"max_experts": 1, "max_top_k": 1}, r"max_experts = 1, must be 2, max_top_k\.\.min"),
        ({"max_d_words": 1}, r"max_d_words = 1, must be 2\.\."),
        ({"acc_depth": 4095}, r"acc_depth = 4095, must be 8\.\.4094"),
        ({"program_depth": 1 << 16}, r"program_depth = 65536, must be 16\.\.32768"),
        ({"resident_words": 15}, r"resident_words = 15, must be 0, or 16\.\.32760"),
        ({"resident_words": 48, "resident_block_words": 40}, r"resident_block_words = 40, must be 0"),
        ({"dsp_ratio": 2}, r"dsp_ratio = 2, must be 1 without pack_macs"),
        (
            {"pn": 64, "pk": 16, "max_d_words": 16, "weight_store_words": 1 << 15},
            r"weight_store_words = 32768",
        ),
    ],
)
def test_beyond_them(values: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        replace(NANO, **values)
