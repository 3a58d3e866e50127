# SPDX-License-Identifier: Apache-2.0
"""Bugs in rtl/finn are found by what test_nodes compares: a value differs, or the node stops."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.finn.test_nodes import Played, cases

TOKENS = 200
BY_OP = {case.op: case for case in cases()}  # of two the second, which is the harder

# The node, the block (peritus_finn_...), its text and what it becomes.
BUGS = {
    "more beats than room": ("PeritusGelu", "flow", "32'(inside_q) != Depth", "32'(inside_q) != Depth + 3"),
    "GELU for ReLU": ("PeritusGelu", "gelu", ".gelu_i (Gelu)", ".gelu_i (!Gelu)"),
    "lanes reversed": ("PeritusGelu", "gelu", "g[l][15:0]", "g[Lanes-1-l][15:0]"),
    "parameters of another set": ("PeritusRequant", "requant", "(index_data_i) * FOLDS", "(index_data_i)"),
    "an expert per beat": (
        "PeritusRequant",
        "requant",
        "index_ready_o = take && last",
        "index_ready_o = take",
    ),
    "too wide for the zero point": (
        "PeritusRequant",
        "requant",
        "y[RESULT_W] ? ~MAXIMUM : MAXIMUM",
        "y[OutW-1:0]",
    ),
    "no bias": ("PeritusRequant", "requant", " + BIASED_W'(signed'(channel[l].bias))", ""),
    "parameters early": ("PeritusLayerNorm", "layernorm", "(params_block[FOLD_W", "(lanes_block[FOLD_W"),
    "a maximum too old": ("PeritusSoftmax", "softmax", "(open_q && row_maximum_q", "(row_maximum_q"),
    "sum of all rows": ("PeritusSoftmax", "softmax", "(sum_block == '0 ? '0 : row_sum_q)", "row_sum_q"),
    "-128 as a key": ("PeritusScores", "scores", "? 8'h81 :", "? 8'h80 :"),
    "another head's scale": ("PeritusScores", "scores", ".addr_i(dot_head)", ".addr_i(head_q)"),
    "a row over another": (
        "PeritusValues",
        "values",
        "!(last_key && (full_q || last_q != '0))",
        "1'b1",
    ),
    "experts swapped": ("PeritusRouter", "router", "16'(expert[k])", "16'(expert[TopK-1-k])"),
    "a queue begun late": (
        "MoEDispatch",
        "dispatch",
        "some_q[e] ? count_q[e] + TOKEN_W'(1) : '0",
        "count_q[e]",
    ),
    "a row without its expert": ("MoEDispatch", "dispatch", "(fold_q != '0 || beside_ready)", "1'b1"),
    "sums never begun": ("MoEMVAU", "experts", "(sum_first ? '0 : result_q[l])", "result_q[l]"),
    "an expert per fold": ("MoEMVAU", "experts", "take && last_in && last_out;", "take && last_in;"),
    "saturated the wrong way": ("MoECombine", "combine", "16'h8000 : 16'h7fff", "16'h7fff : 16'h8000"),
    "a sum that wraps": ("PeritusAdd", "add", "(wide[16] == wide[15])", "1'b1"),
    "one summand waits for none": (
        "PeritusAdd",
        "add",
        "a_ready_o = ready && b_valid_i",
        "a_ready_o = ready",
    ),
    "a copy more": ("PeritusFork", "fork", ".valid_i(valid_i && ready_o)", ".valid_i(valid_i)"),
    "tokens of its own from a patch": ("PeritusEmbed", "embed", "own ? '0 : data_i", "data_i"),
    "emptied too soon": ("MoECombine", "combine", "SETTLE: if (flying_q == '0) state_q", "SETTLE: state_q"),
}


@pytest.mark.parametrize("name", BUGS)
def test_a_bug_is_found(finn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    import peritus.finn.nodes.rtl as rtl
    from peritus.finn.errors import SimulatorError

    op, block, old, new = BUGS[name]
    original = rtl.design_files

    def mutated(path: Path) -> Path:
        if path.stem != f"peritus_finn_{block}":
            return path
        text, copy = path.read_text(), tmp_path / path.name
        assert old in text
        copy.write_text(text.replace(old, new))
        return copy

    def with_the_bug(top: str) -> Sequence[Path]:
        return [mutated(path) for path in original(top)]

    monkeypatch.setattr(rtl, "design_files", with_the_bug)
    played = Played(BY_OP[op], TOKENS)
    try:
        found = any(played.differing(stall)[0] for stall in (0, 64))
    except SimulatorError:
        found = True
    assert found
