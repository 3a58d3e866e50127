# SPDX-License-Identifier: Apache-2.0
"""Instruction set: field layout, opcodes and modes, written once.

The SystemVerilog structs, the C++ header and docs/generated/isa.md are generated from this file. What each
instruction does is defined by docs/isa.md and, executably, by the reference device.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, fields
from enum import IntEnum
from typing import TYPE_CHECKING

from peritus.errors import PeritusError

if TYPE_CHECKING:
    from typing import Self

EXEC_BITS = 256
FETCH_BITS = 64


class EncodingError(PeritusError):
    """A field value does not fit its width, or a word does not decode."""


class Opcode(IntEnum):
    """What an instruction does."""

    END = 0
    LOAD_IMAGE = 1
    RES_INIT = 2
    LAYERNORM = 3
    GEMM = 4
    STORE = 5
    KEEP = 6
    COPY = 7


class StreamSource(IntEnum):
    """Where the streamed operand of a GEMM comes from."""

    ACT = 0
    ACT_GATHER = 1
    SCORES = 2


class StatSource(IntEnum):
    """Where the stationary operand of a GEMM comes from."""

    WEIGHTS = 0
    KEYS = 1
    VALUES = 2
    RESIDENT = 3


class Function(IntEnum):
    """Function between the two requantization stages."""

    NONE = 0
    GELU = 1
    RELU = 2


class Scale2(IntEnum):
    """Multiplier of stage 2."""

    NONE = 0
    CHANNEL = 1
    SCORE = 2
    RECIP = 3


class Dest(IntEnum):
    """Where a GEMM writes."""

    ACT = 0
    KV = 1
    SCORES = 2
    ROUTER = 3
    RES_ADD = 4
    RES_ACC = 5
    RES_SET = 6
    HIDDEN = 7


@dataclass(frozen=True)
class Field:
    """One field of a packed word, least significant first in its list."""

    name: str
    bits: int
    doc: str
    enum: type[IntEnum] | None = None


EXEC_FIELDS: tuple[Field, ...] = (
    Field("opcode", 4, "operation", Opcode),
    Field("task_mask", 16, "executes only if bit `job.task` is set"),
    Field("features_only", 1, "executes only if the job asks for features"),
    Field("sync", 1, "wait until everything earlier has retired before dispatching"),
    Field("wait_stream", 1, "stream only after everything earlier has retired; the loader may run ahead"),
    Field("expert_valid", 1, "token count is the queue length of `expert`"),
    Field("expert", 6, "expert whose queue gathers, scatters or counts"),
    Field("tokens", 12, "tokens (rows) of the pass"),
    Field("k_tiles", 8, "tiles of PK input channels; inner count of LOAD_IMAGE and STORE"),
    Field("n_tiles", 8, "words of PN output channels; innermost count of LOAD_IMAGE and STORE"),
    Field("stream_src", 2, "streamed operand", StreamSource),
    Field("stat_src", 2, "stationary operand", StatSource),
    Field("src_base", 20, "streamed operand: first slice (residual word for LAYERNORM and STORE)"),
    Field("src_stride", 12, "streamed operand: slices (residual words) between rows"),
    Field(
        "stat_base",
        16,
        "stationary keys or values: first kv word; RESIDENT: first word of that memory",
    ),
    Field("stat_stride", 12, "stationary keys or values: kv words between keys"),
    Field(
        "keys",
        12,
        "number of valid keys; outer count of LOAD_IMAGE and STORE; LAYERNORM: rows unread when the next "
        "instruction may begin, 0: it waits for the end",
    ),
    Field("params", 1, "a parameter block precedes each output word; else the immediates serve all channels"),
    Field("imm_mult", 16, "immediate stage 1 multiplier (bias 0)"),
    Field("imm_shift", 6, "immediate stage 1 shift"),
    Field("fn", 2, "function between the stages", Function),
    Field("scale2", 2, "stage 2 multiplier", Scale2),
    Field("shift2", 6, "stage 2 shift of SCORE; added to the reciprocal's own shift for RECIP"),
    Field("dst", 3, "destination", Dest),
    Field("dst_base", 16, "destination: first word; ROUTER: number of the first token, 0 empties the queues"),
    Field("dst_stride", 12, "destination: words between rows"),
    Field("scatter", 1, "destination row is the queued token, not the position in the pass"),
    Field("width", 12, "true channels of LAYERNORM; experts of a ROUTER destination"),
    Field("top_k", 3, "experts chosen per token by a ROUTER destination"),
    Field("imm", 32, "LAYERNORM: epsilon; GEMM: segment length in stripes; STORE: byte offset"),
    Field("int4", 1, "the weight tiles are of 4 bits"),
    Field("cold_only", 1, "executes only in the first job after the program was loaded"),
)

MAX_TASKS = next(field.bits for field in EXEC_FIELDS if field.name == "task_mask")

# What an opcode counts over; none may be 0. `tokens` does not count where expert_valid says whose queue does.
COUNTS: dict[Opcode, tuple[str, ...]] = {
    Opcode.END: (),
    Opcode.LOAD_IMAGE: ("keys", "k_tiles", "tokens", "n_tiles"),
    Opcode.RES_INIT: ("tokens", "n_tiles"),
    Opcode.LAYERNORM: ("tokens", "n_tiles"),
    Opcode.GEMM: ("tokens", "k_tiles", "n_tiles"),
    Opcode.STORE: ("keys", "k_tiles", "tokens", "n_tiles"),
    Opcode.KEEP: ("tokens", "n_tiles"),
    Opcode.COPY: ("tokens", "n_tiles"),
}

FETCH_FIELDS: tuple[Field, ...] = (
    Field("offset", 23, "first stripe, counted from the weight base"),
    Field("stripes", 16, "length in stripes"),
    Field("task_mask", 16, "fetched only if bit `job.task` is set"),
    Field("expert_valid", 1, "segment belongs to one expert and may be dropped if that expert is idle"),
    Field("expert", 6, "the expert"),
    Field("cold_only", 1, "fetched only in the first job after the program was loaded"),
    Field("first_of_gate", 1, "the first segment of experts behind a gate that empties the queues"),
)


def layout_fingerprint() -> str:
    """SHA-256 over names, widths and enum values: changes whenever old programs would decode differently."""

    def describe(layout: tuple[Field, ...]) -> list[object]:
        return [[f.name, f.bits, [(m.name, m.value) for m in f.enum] if f.enum else []] for f in layout]

    return hashlib.sha256(json.dumps([describe(EXEC_FIELDS), describe(FETCH_FIELDS)]).encode()).hexdigest()


class _Word:
    """A packed word: each field's name, position, mask and, for a mode, its members by value."""

    def __init__(self, layout: tuple[Field, ...]) -> None:
        self.bits = 0
        self._fields: list[tuple[str, int, int, dict[int, IntEnum]]] = []
        for field in layout:
            members = {member.value: member for member in field.enum or ()}
            self._fields.append((field.name, self.bits, (1 << field.bits) - 1, members))
            self.bits += field.bits

    def pack(self, record: object) -> int:
        word = 0
        for name, position, mask, _ in self._fields:
            value = int(getattr(record, name))
            if not 0 <= value <= mask:
                raise EncodingError(f"{name} = {value} does not fit {mask.bit_length()} bits")
            word |= value << position
        return word

    def unpack(self, word: int) -> dict[str, int]:
        values: dict[str, int] = {}
        for name, position, mask, members in self._fields:
            value = word >> position & mask
            if members and value not in members:
                raise EncodingError(f"{name} = {value} is not a {type(members[0]).__name__}")
            values[name] = members[value] if members else value
        if reserved := word >> self.bits:
            raise EncodingError(f"reserved bits are set: {reserved:#x}")
        return values


_EXEC, _FETCH = _Word(EXEC_FIELDS), _Word(FETCH_FIELDS)


@dataclass(frozen=True)
class Instruction:
    """One exec instruction; fields as in EXEC_FIELDS."""

    opcode: Opcode
    task_mask: int = 0xFFFF
    features_only: int = 0
    sync: int = 0
    wait_stream: int = 0
    expert_valid: int = 0
    expert: int = 0
    tokens: int = 0
    k_tiles: int = 0
    n_tiles: int = 0
    stream_src: StreamSource = StreamSource.ACT
    stat_src: StatSource = StatSource.WEIGHTS
    src_base: int = 0
    src_stride: int = 0
    stat_base: int = 0
    stat_stride: int = 0
    keys: int = 0
    params: int = 0
    imm_mult: int = 0
    imm_shift: int = 0
    fn: Function = Function.NONE
    scale2: Scale2 = Scale2.NONE
    shift2: int = 0
    dst: Dest = Dest.ACT
    dst_base: int = 0
    dst_stride: int = 0
    scatter: int = 0
    width: int = 0
    top_k: int = 0
    imm: int = 0
    int4: int = 0
    cold_only: int = 0

    def encode(self) -> int:
        """The 256-bit word; EncodingError names a field that does not fit."""
        return _EXEC.pack(self)

    @classmethod
    def decode(cls, word: int) -> Self:
        """Inverse of encode; EncodingError for an unknown mode or set reserved bits."""
        return cls(**_EXEC.unpack(word))  # type: ignore[arg-type]


@dataclass(frozen=True)
class FetchEntry:
    """One weight segment; fields as in FETCH_FIELDS."""

    offset: int
    stripes: int
    task_mask: int = 0xFFFF
    expert_valid: int = 0
    expert: int = 0
    cold_only: int = 0
    first_of_gate: int = 0

    def encode(self) -> int:
        """The 64-bit word; EncodingError names a field that does not fit."""
        return _FETCH.pack(self)

    @classmethod
    def decode(cls, word: int) -> Self:
        """Inverse of encode."""
        return cls(**_FETCH.unpack(word))


def runs(item: Instruction | FetchEntry, task: int, *, cold: bool) -> bool:
    """Is it for a job of this task? cold: the first job after the program was loaded."""
    return bool(item.task_mask >> task & 1) and (cold or not item.cold_only)


assert _EXEC.bits <= EXEC_BITS and _FETCH.bits <= FETCH_BITS
assert [f.name for f in EXEC_FIELDS] == [f.name for f in fields(Instruction)]
assert [f.name for f in FETCH_FIELDS] == [f.name for f in fields(FetchEntry)]
