# SPDX-License-Identifier: Apache-2.0
"""The kinds of instruction there are: which fields each has, and which modes go together.

The encoding has room for more: a router behind probabilities, say. Nobody has shown what that would do.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import Enum

from peritus.arch.config import HwConfig
from peritus.arch.isa import COUNTS, EXEC_FIELDS, Dest, Instruction, Opcode, Scale2, StatSource, StreamSource
from peritus.reference.requantize import MAX_SHIFT, MIN_SHIFT
from peritus.verifier.errors import need

MAX_RECIPROCAL_SHIFT = 24  # a reciprocal's own shift reaches 39, and the adder has 6 bits
_COMMON = {"opcode", "task_mask"}
_UNIT = {"tokens", "n_tiles", "dst_base", "dst_stride"}
_BLOCKS = {"keys", "k_tiles", "tokens", "n_tiles"}
_PASS = {
    *("tokens", "k_tiles", "n_tiles", "src_base", "src_stride", "dst_base", "dst_stride"),
    *("sync", "wait_stream", "dst"),
}
_WEIGHTS = {"params", "imm", "fn", "scale2", "int4"}
_STATIONARY = {"stat_src", "stat_base", "stat_stride", "keys"}


class Form(Enum):
    """A kind of instruction. Its value: the fields that it has beside opcode and task mask."""

    END = frozenset[str]()
    LOAD_IMAGE = frozenset({*_BLOCKS, "dst_base", "dst_stride"})
    RES_INIT = frozenset({*_UNIT})
    LAYERNORM = frozenset({*_UNIT, "src_base", "src_stride", "width", "imm", "keys"})
    KEEP = frozenset({*_UNIT, "cold_only"})
    COPY = frozenset({*_UNIT, "src_base", "src_stride"})
    STORE = frozenset({*_BLOCKS, "src_base", "src_stride", "features_only", "imm"})
    LINEAR = frozenset({*_PASS, *_WEIGHTS})
    GATE = frozenset({*_PASS, *_WEIGHTS, "width", "top_k"}) - {"dst_stride", "fn", "scale2"}
    EXPERT_HIDDEN = frozenset({*_PASS, *_WEIGHTS, "stream_src", "expert_valid", "expert"})
    EXPERT_OUTPUT = frozenset({*_PASS, *_WEIGHTS, "expert_valid", "expert", "scatter", "shift2"})
    SCORES = frozenset({*_PASS, *_STATIONARY, "imm_mult", "imm_shift"})
    VALUES = frozenset({*_PASS, *_STATIONARY, "stream_src", "params", "imm", "scale2", "shift2"})


@dataclass(frozen=True)
class _Modes:
    """What a GEMM of a form says of itself: one value for each mode, or several."""

    stream_src: StreamSource = StreamSource.ACT
    stat_src: StatSource = StatSource.WEIGHTS
    scale2: tuple[Scale2, ...] = (Scale2.NONE, Scale2.CHANNEL)
    dst: tuple[Dest, ...] = (Dest.ACT,)
    params: int = 1
    expert_valid: int = 0
    scatter: int = 0


_GEMMS = {
    Form.LINEAR: _Modes(dst=(Dest.ACT, Dest.HIDDEN, Dest.KV, Dest.RES_ADD, Dest.RES_SET)),
    Form.GATE: _Modes(scale2=(Scale2.NONE,), dst=(Dest.ROUTER,)),
    Form.EXPERT_HIDDEN: _Modes(
        stream_src=StreamSource.ACT_GATHER, dst=(Dest.ACT, Dest.HIDDEN), expert_valid=1
    ),
    Form.EXPERT_OUTPUT: _Modes(scale2=(Scale2.SCORE,), dst=(Dest.RES_ACC,), expert_valid=1, scatter=1),
    Form.SCORES: _Modes(stat_src=StatSource.KEYS, scale2=(Scale2.NONE,), dst=(Dest.SCORES,), params=0),
    Form.VALUES: _Modes(stream_src=StreamSource.SCORES, stat_src=StatSource.VALUES, scale2=(Scale2.RECIP,)),
}
_DEFAULT = Instruction(Opcode.END)
_LARGEST = {field.name: (1 << field.bits) - 1 for field in EXEC_FIELDS}


def form_of(i: Instruction, where: str) -> Form:
    """The form of an instruction.

    Raises:
        ProgramRefused: its modes do not go together, or a field that it does not have is set.
    """
    if i.opcode is Opcode.GEMM:
        found = [form for form, modes in _GEMMS.items() if _has(i, modes)]
        need(
            len(found) == 1,
            "modes",
            f"{where}: no GEMM streams {i.stream_src.name} on {i.stat_src.name} into {i.dst.name} with stage "
            f"2 {i.scale2.name}, params {i.params}, expert_valid {i.expert_valid}, scatter {i.scatter}",
        )
        form = found[0]
    else:
        form = Form[i.opcode.name]
    own = form.value
    if i.stat_src is StatSource.RESIDENT:  # instead of a segment of the stream
        own = (own | {"stat_src", "stat_base"}) - {"imm"}
    for field in fields(i):
        if field.name not in _COMMON and field.name not in own:
            value, default = getattr(i, field.name), getattr(_DEFAULT, field.name)
            message = f"{where}: {field.name} is {value}, a {form.name} has no such field: must be {default}"
            need(value == default, "field", message)
    return form


def _has(i: Instruction, modes: _Modes) -> bool:
    one = ("stream_src", "params", "expert_valid", "scatter")
    resident = i.stat_src is StatSource.RESIDENT and not i.expert_valid
    return (
        all(getattr(i, name) == getattr(modes, name) for name in one)
        and (StatSource.WEIGHTS if resident else i.stat_src) is modes.stat_src
        and i.scale2 in modes.scale2
        and i.dst in modes.dst
    )


def check_counts(i: Instruction, form: Form, hw: HwConfig, where: str) -> None:
    """Counts within the configuration, and those that follow from one another."""
    limits = {name: (1, _LARGEST[name]) for name in COUNTS[i.opcode]}
    tiles = -(-i.keys // (hw.pn if form is Form.SCORES else hw.pk))
    match form:
        case Form.LINEAR:
            limits["tokens"] = (1, hw.acc_depth)
        case Form.GATE:
            limits |= {
                "tokens": (1, hw.acc_depth - i.dst_base),
                "n_tiles": (1, 1),
                "width": (1, hw.max_experts),
            }
            limits["top_k"] = (1, min(hw.max_top_k, i.width))
        case Form.EXPERT_HIDDEN | Form.EXPERT_OUTPUT:
            limits["tokens"] = (0, _LARGEST["tokens"])  # the queue counts
        case Form.SCORES:
            limits |= {"tokens": (1, hw.acc_depth), "keys": (1, _LARGEST["keys"]), "n_tiles": (tiles, tiles)}
            limits["imm_shift"] = (MIN_SHIFT, MAX_SHIFT)
        case Form.VALUES:
            limits |= {"tokens": (1, hw.acc_depth), "keys": (1, _LARGEST["keys"]), "k_tiles": (tiles, tiles)}
            limits["shift2"] = (0, MAX_RECIPROCAL_SHIFT)
        case Form.LAYERNORM:
            words = -(-i.width // hw.pn)
            limits |= {"width": (1, hw.max_d_words * hw.pn), "n_tiles": (words, words)}
            limits["keys"] = (0, i.tokens - 1)
    if i.scale2 is Scale2.SCORE:
        limits["shift2"] = (1, _LARGEST["shift2"])
    if not hw.int4:
        message = f"{where}: its weights are int4, hardware {hw.name} has int8 only: compile for it again"
        need(not i.int4, "int4", message)
    for name, (low, high) in limits.items():
        value = getattr(i, name)
        need(low <= value <= high, "count", f"{where}: {name} is {value}, must be {low}..{high}")


def modes_of(form: Form) -> tuple[tuple[Dest, ...], tuple[Scale2, ...]]:
    """Destinations and second stages that a form may have."""
    modes = _GEMMS.get(form)
    return (modes.dst, modes.scale2) if modes else ((_DEFAULT.dst,), (_DEFAULT.scale2,))
