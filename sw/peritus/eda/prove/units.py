# SPDX-License-Identifier: Apache-2.0
"""What is proved: units of the twin, the RTL block of each, and bugs that the proof must find there."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Unit:
    """One proof: module `proof_NAME` in hls/proof/FILE.sv, with the functions of hls/proof/FILE.cpp.

    block: RTL module that it instantiates, or package whose functions it calls. replaced: modules below it in
    whose place there is a stub of hls/proof/stand_ins, so that the proof says what comes out of them. bugs:
    texts of the block's file, and what each becomes. balanced: all inputs take equally many cycles to an
    output; else some are held. exhaustive: every input is tried, where that ends sooner than the solver.
    """

    name: str
    file: str
    block: str
    bugs: tuple[tuple[str, str], ...]
    replaced: tuple[str, ...] = ()
    balanced: bool = True
    exhaustive: bool = False


UNITS = (
    Unit(
        "round_shift", "requantize", "peritus_round_shift",
        (
            (">>> shift_q[l]", ">> shift_q[l]"),
            ("&& fine_q[l][OutW:1] != MAXIMUM", ""),
            ("{shift_i[l][5:3], 3'b000}", "{1'b0, shift_i[l][4:3], 3'b000}"),
            ("? ~MAXIMUM : MAXIMUM", "? -MAXIMUM : MAXIMUM"),
        ),
    ),
    Unit(
        "stage1", "requantize", "peritus_requantize",
        (
            ("{1'b0, multiplier_i[l]}", "{multiplier_i[l][15], multiplier_i[l]}"),
            ("PRODUCT_W'(value_q[l]) * PRODUCT_W'", "PRODUCT_W'(unsigned'(value_q[l])) * PRODUCT_W'"),
            ("product_shift_q[l] <= shift_q[l]", "product_shift_q[l] <= shift_q[l] & 6'd31"),
        ),
    ),
    Unit(
        "stage2", "requantize", "peritus_requantize",
        (
            ("{1'b0, multiplier_i[l]}", "{2'b0, multiplier_i[l][14:0]}"),
            ("value_q[l]      <= value_i[l]", "value_q[l]      <= value_i[l] | InW'(1)"),
            ("product_shift_q[l] <= shift_q[l]", "product_shift_q[l] <= shift_i[l]"),
        ),
    ),
    Unit(
        "activation", "activation", "peritus_activation",
        (
            ("~x_q[l][9:1] + 9'(!x_q[l][0])", "~x_q[l][9:1]"),
            ("x_q[l][Width-1:10] == {(Width - 10)", "x_q[l][Width-1:11] == {(Width - 11)"),
            ("(relu_sel_q && x_q[l][Width-1]) ? '0", "(gelu_sel_q && x_q[l][Width-1]) ? '0"),
            ("Width'(~MAXIMUM) : Width'(MAXIMUM)", "Width'(MAXIMUM) : Width'(MAXIMUM)"),
        ),
    ),
    Unit(
        "exp_lookup", "softmax", "peritus_exp_lookup",
        (
            ("(distance_q[l][16:8] != '0)", "(distance_q[l][15:8] != '0)"),
            ("index_keep_q[l] ? EXP_TABLE", "1'b1 ? EXP_TABLE"),
            ("17'(maximum_i) - 17'(score_i[l])", "17'(maximum_i) - 17'(score_i[l]) + 17'(1)"),
        ),
    ),
    Unit(
        "row_maximum", "softmax", "peritus_softmax_rows",
        (
            ("LANES_W'(n) < next_token_i.lanes", "LANES_W'(n) <= next_token_i.lanes"),
            (": 16'sh8000", ": 16'sh0000"),
            ("return (a > b) ? a : b;", "return (a < b) ? a : b;"),
        ),
        replaced=("peritus_ram_1r1w",),
        balanced=False,
    ),
    Unit(
        "normalize24", "reciprocal", "peritus_normalize",
        (
            ("step >= int'(DropSteps)", "step > int'(DropSteps)"),
            ("value_d << (1 << step)", "value_d << step"),
            ("zeros_d[step] = 1'b1", "zeros_d[0] = 1'b1"),
        ),
    ),
    Unit(
        "normalize48", "reciprocal", "peritus_normalize",
        (
            ("step >= int'(DropSteps)", "step > int'(DropSteps)"),
            ("int'(Width) - (1 << step)", "int'(Width) - 1 - (1 << step)"),
            ("zeros_d[step] = 1'b1", "zeros_d[step] = value_d[0]"),
        ),
    ),
    Unit(
        "reciprocal", "reciprocal", "peritus_reciprocal",
        (
            ("RECIPROCAL_TABLE[u[14:7]]", "RECIPROCAL_TABLE[u[13:6]]"),
            ("refined_q[17:1] + 17'(refined_q[0])", "refined_q[17:1]"),
            ("33'h1_0000_0000 - 33'(product_q)", "33'h0_ffff_ffff - 33'(product_q)"),
        ),
        replaced=("peritus_normalize",),
        exhaustive=True,
    ),
    Unit(
        "rsqrt", "reciprocal", "peritus_rsqrt",
        (
            ("u[17:9]-9'd128", "u[17:9]-9'd127"),
            ("34'h3_0000_0000 - product_q", "34'h3_0000_0000 + product_q"),
            ("rounded[16] ? 16'hffff : rounded[15:0]", "rounded[15:0] & 16'h7fff"),
        ),
        replaced=("peritus_normalize",),
        exhaustive=True,
    ),
    Unit(
        "exponents", "reciprocal", "peritus_rsqrt",
        (
            ("5'd23 - zero_pairs_q", "5'd24 - zero_pairs_q"),
            ("(stage == 0) ? zero_pairs : ", "(stage == 0) ? 5'd0 : "),
            ("zero_pairs_q[STAGES-2]", "zero_pairs_q[STAGES-3]"),
        ),
        replaced=("peritus_normalize",),
        exhaustive=True,
    ),
    Unit(
        "residual", "residual", "peritus_write_back",
        (
            ("select_q[n/SHARE].base_add ? saturate16(signed'(res_rdata_i[n])) :", ""),
            ("select_q[n/SHARE].add ? saturate16(sum) : sum", "saturate16(sum)"),
            ("(select_q[n/SHARE].set ? '0 : base_q[n])", "base_q[n]"),
        ),
        balanced=False,
    ),
    Unit(
        "narrow", "residual", "peritus_write_back",
        (
            ("{7'h40, kind_q[2].kv}", "8'h80"),
            ("(z_i[n] > 16'sd127)", "(z_i[n] > 16'sd128)"),
            ("? 8'h7f", "? 8'h7e"),
            ("(z_i[n] < HIDDEN_MIN)", "(z_i[n] <= HIDDEN_MIN + 16'sd1)"),
            ("inside {DST_ACT, DST_HIDDEN}", "== DST_ACT"),
        ),
        balanced=False,
    ),
    Unit(
        "topk_stage", "router", "peritus_topk_stage",
        (
            ("candidate & ~(Inputs'(1) << best_index)", "candidate & ~(Inputs'(2) << best_index)"),
            ("maximum_o   <= best_value", "maximum_o   <= signed'(value[0])"),
            ("value_o     <= value", "value_o     <= value_i"),
        ),
    ),
    Unit(
        "argmax", "router", "peritus_argmax",
        (
            ("signed'(right.value) > signed'(left.value)", "signed'(right.value) >= signed'(left.value)"),
            ("signed'(right.value) > signed'(left.value)", "right.value > left.value"),
            ("(right.candidate && (!left.candidate || larger))", "(right.candidate && larger)"),
        ),
    ),
    Unit(
        "gate_exp", "router", "peritus_gate_exp",
        (
            ("distance_q[l][11:8]", "distance_q[l][12:9]"),
            ("&& distance_q[l][15:12] == '0", ""),
            ("maximum_i - logit_i[l]", "logit_i[l] - maximum_i"),
        ),
    ),
    Unit(
        "gate_score", "router", "peritus_gate_score",
        (
            ("r_shift - 6'd15", "r_shift - 6'd16"),
            ("(unsigned'(score[k]) > ONE) ? 16'(ONE)", "(unsigned'(score[k]) > ONE) ? 16'hffff"),
            ("{1'b0, e[k]}", "{e[k][15], e[k]}"),
        ),
        replaced=("peritus_delay_line",),
    ),
    Unit(
        "mac_pack", "mac", "peritus_mac",
        (
            ("<<< FIELD_W) +", "<<< (FIELD_W - 1)) +"),
            ("= 9'(shadow_q[c*G+g]", "= 9'(-shadow_q[c*G+g]"),
            ("int'(operand_q[g])", "int'(operand_q[g][7:0])"),
        ),
        balanced=False,
        exhaustive=True,
    ),
    Unit(
        "mac_split", "mac", "peritus_mac_array",
        (
            ("+ FIELD_W'({1'b0, p[g][m][FIELD_W-1]})", ""),
            ("signed'(p[g][m][FIELD_W-1:0])", "signed'(p[g][m][FIELD_W-2:0])"),
            ("total += 22'(group_sum[g][n])", "total += 22'(unsigned'(group_sum[g][n]))"),
        ),
        replaced=("peritus_mac",),
        balanced=False,
    ),
    Unit(
        "weight_rows", "weight_word", "peritus_weight_pkg",
        (
            ("8'(signed'(word[4*", "8'(unsigned'(word[4*"),
            ("4*(row*PN+n)+:4", "4*(row*PN+(n^1))+:4"),
            ("4*(row*PN+n)+:4", "4*((row^1)*PN+n)+:4"),
            ("8*((row%2)*PN+n)+:8", "8*(n*2+(row%2))+:8"),
        ),
    ),
)  # fmt: skip
