# SPDX-License-Identifier: Apache-2.0
"""The function units: latency, ROMs, reference function and module of each, and the stages of the pipeline.

One home: rtl/generated/peritus_latency_pkg.sv, the ROMs of RTL and HLS, the benches' expected latencies and
docs/generated/units.md are made from these tables. Latencies are cycles from input to output, one result per
cycle. They are formulas in the numbers of a unit's parameters; `latency("adder_tree", inputs=8)` evaluates.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass

from peritus.arch.config import CASCADE
from peritus.reference import tables
from peritus.reference.arithmetic import I64


@dataclass(frozen=True)
class Rom:
    """A table in hardware: `bits` of each entry, contents of peritus.reference.tables."""

    name: str
    bits: int
    values: I64


@dataclass(frozen=True)
class Unit:
    """One function unit.

    name: RTL module peritus_NAME (or `module`: it is a path through that one), bench bench_NAME.py (or
    `bench`, of a unit around it), page docs/blocks/NAME.md (or `page`). reference: function in
    peritus.reference that it equals, if it is one. latency: formula over the unit's `sizes` and other units;
    stages: what its cycles are for. roms: its tables. docs/extending.md: what belongs to a unit.
    """

    name: str
    latency: str
    stages: str
    reference: str = ""
    sizes: tuple[str, ...] = ()
    roms: tuple[Rom, ...] = ()
    module: str = ""
    bench: str = ""
    page: str = ""


UNITS = (
    Unit(
        "round_shift", "3", "shift, round, saturate", "arithmetic.rhu", page="requantize", bench="requantize",
    ),
    Unit("requantize", "2 + round_shift", "operand, multiply, then round_shift", "requantize.requantize"),
    Unit(
        "activation", "4", "saturate; magnitude and ReLU; table; subtract", "gelu.gelu",
        roms=(Rom("GELU_DELTA", 6, tables.DELTA),),
    ),
    Unit(
        "exp_lookup", "3", "subtract; saturate; table", "softmax.probabilities",
        roms=(Rom("EXP_TABLE", 8, tables.EXP),),
    ),
    Unit("normalize", "3", "two steps per cycle", page="reciprocal", bench="reciprocal"),
    Unit(
        "reciprocal", "normalize + 5", "normalize, table, interpolate", "reciprocal.reciprocal",
        roms=(Rom("RECIPROCAL_TABLE", 16, tables.RECIPROCAL),),
    ),
    Unit(
        "rsqrt", "normalize + 6", "normalize, table, interpolate", "rsqrt.rsqrt",
        roms=(Rom("RSQRT_TABLE", 16, tables.RSQRT),),
    ),
    Unit(
        "gate_exp", "3", "subtract; table; shift", "router.route", page="router",
        roms=(Rom("EXP2_TABLE", 16, tables.EXP2),), bench="router",
    ),
    Unit(
        "mac_array", f"{CASCADE} // dsp_ratio + dsp_ratio // 2 + 6",
        "edge, operand 2, product, cascade, split, group sum",
        "linear.matmul", sizes=("dsp_ratio",),
    ),
    Unit("adder_tree", "clog2(inputs)", "a register after every node", sizes=("inputs",), page="exp_lookup"),
    Unit("argmax", "clog2(inputs)", "a register after every node", sizes=("inputs",), page="router"),
    Unit(
        "topk_stage", "argmax(inputs) + 1", "argmax, strike out",
        sizes=("inputs",), page="router", bench="router",
    ),
    Unit(
        "gate_chosen", "top_k * topk_stage(experts) + gate_exp", "numerators of the chosen experts",
        sizes=("experts", "top_k"), page="router", module="gate_score", bench="router",
    ),
    Unit(
        "gate_sum", "topk_stage(experts) + gate_exp + adder_tree(experts) + reciprocal",
        "the reciprocal of the sum over all experts", sizes=("experts",),
        page="router", module="gate_score", bench="router",
    ),
    Unit(
        "gate_score", "max(gate_chosen(experts, top_k), gate_sum(experts)) + requantize + 1",
        "numerators meet the reciprocal", "router.route", sizes=("experts", "top_k"),
        page="router", bench="router",
    ),
    Unit(
        "norm_stats", "1 + adder_tree(lanes) + 1 + 5 + rsqrt",
        "from a token's last word: square, sum, accumulate, variance, root", "layernorm.layernorm",
        sizes=("lanes",), page="layernorm", bench="layernorm",
    ),
    Unit("norm_replay", "3", "statistics to the first word, memory 2", page="layernorm", bench="layernorm"),
    Unit(
        "norm_affine", "4 + round_shift", "N r and S r, operand, product, - S r, round; then gamma is due",
        page="layernorm", module="norm_lanes", bench="layernorm",
    ),
    Unit(
        "norm_lanes", "norm_affine + 2 + round_shift", "gamma, beta, round", "layernorm.layernorm",
        page="layernorm", bench="layernorm",
    ),
)  # fmt: skip

# Stages of the one GEMM pipeline: cycles from an issued row (the streamer's output) to each, in order.
# DSP_RATIO: of the configuration.
STAGES = (
    ("ADDRESS", "4", "memory addresses: queue 2, product, sum"),
    ("OPERAND", "ADDRESS + 3", "slice of PK operands: memory 2, slice select; row maximum"),
    ("ARRAY", "OPERAND + exp_lookup", "probabilities, or the activations delayed"),
    ("SUM", "ARRAY + mac_array(DSP_RATIO)", "sum over PK"),
    ("TOTAL", "SUM + 1", "+ accumulator"),
    ("BIASED", "TOTAL + 1", "+ bias"),
    ("STAGE2", "BIASED + requantize + activation + 1", "stage 1, the function, multiplier of stage 2 chosen"),
    ("RESULT", "STAGE2 + requantize", "stage 2"),
)

_BY_NAME = {unit.name: unit for unit in UNITS}


def latency(name: str, **sizes: int) -> int:
    """Cycles of unit `name`; sizes: of its parameters (Unit.sizes).

    Raises:
        KeyError: no such unit. TypeError: other sizes than the unit has.
    """
    unit = _BY_NAME[name]
    if set(sizes) != set(unit.sizes):
        raise TypeError(f"unit {name}: sizes {sorted(sizes)}, must be {sorted(unit.sizes)}")
    return _evaluate(ast.parse(unit.latency, mode="eval").body, sizes)


def at(stage: str, dsp_ratio: int) -> int:
    """Cycles from an issued row to stage `stage` of STAGES; KeyError if there is none."""
    known = {"DSP_RATIO": dsp_ratio}
    for name, formula, _ in STAGES:
        known[name] = _evaluate(ast.parse(formula, mode="eval").body, known)
    return known[stage]


def _evaluate(node: ast.expr, names: dict[str, int]) -> int:
    match node:
        case ast.Constant(value=int(value)):
            return value
        case ast.Name(id=name):
            return names[name] if name in names else latency(name)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _evaluate(left, names) + _evaluate(right, names)
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            return _evaluate(left, names) * _evaluate(right, names)
        case ast.BinOp(left=left, op=ast.FloorDiv(), right=right):
            return _evaluate(left, names) // _evaluate(right, names)
        case ast.Call(func=ast.Name(id="clog2"), args=[argument]):
            return (_evaluate(argument, names) - 1).bit_length()
        case ast.Call(func=ast.Name(id="max"), args=arguments):
            return max(_evaluate(argument, names) for argument in arguments)
        case ast.Call(func=ast.Name(id=name), args=arguments):
            values = (_evaluate(argument, names) for argument in arguments)
            return latency(name, **dict(zip(_BY_NAME[name].sizes, values, strict=True)))
    raise ValueError(f"formula {ast.unparse(node)!r} has something else than +, *, //, clog2, max and units")
