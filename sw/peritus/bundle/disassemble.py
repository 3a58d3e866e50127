# SPDX-License-Identifier: Apache-2.0
"""A bundle's program as text, one line per instruction."""

from __future__ import annotations

from peritus.arch.isa import (
    Dest,
    Function,
    Instruction,
    Opcode,
    Scale2,
    StatSource,
    StreamSource,
)
from peritus.bundle import Bundle

ALL_TASKS = 0xFFFF


def disassemble(bundle: Bundle) -> list[str]:
    """One line per exec instruction: index, opcode, operation, flags, weight segment, label."""
    width = max(len(label) for label in bundle.labels)
    fetches = iter(bundle.fetches)
    lines = []
    for index, (instruction, label) in enumerate(zip(bundle.instructions, bundle.labels, strict=True)):
        parts = [describe(instruction), *_flags(instruction)]
        if uses_weight_stream(instruction):
            entry = next(fetches, None)
            where = f"{entry.offset}:{entry.offset + entry.stripes}" if entry else "missing"
            parts.append(f"weights[{where}]")
        lines.append(
            f"{index:5d}  {instruction.opcode.name:<10}  {label:<{width}}  {'  '.join(parts)}".rstrip()
        )
    return lines


def uses_weight_stream(instruction: Instruction) -> bool:
    """Does the instruction consume a segment (a FetchEntry) of the weight stream?"""
    if instruction.opcode is Opcode.GEMM:
        source = instruction.stat_src
        return source is StatSource.WEIGHTS or bool(instruction.params and source is not StatSource.RESIDENT)
    return instruction.opcode in (Opcode.LAYERNORM, Opcode.RES_INIT, Opcode.KEEP)


def describe(i: Instruction) -> str:
    """What the instruction computes, with addresses: memory[base + row * stride]."""
    match i.opcode:
        case Opcode.GEMM:
            return _gemm(i)
        case Opcode.LOAD_IMAGE:
            size = f"{i.keys}x{i.tokens} patches of {i.k_tiles} rows, {i.n_tiles} beats each"
            return f"act[{_rows(i.dst_base, i.dst_stride)}] = image ({size})"
        case Opcode.RES_INIT:
            return f"res[{_rows(i.dst_base, i.dst_stride)}] = weights, {i.tokens}x{i.n_tiles} words"
        case Opcode.LAYERNORM:
            source, target = _rows(i.src_base, i.src_stride), _rows(i.dst_base, i.dst_stride)
            return (
                f"act[{target}] = norm(res[{source}])  {i.tokens}x{i.n_tiles} words, N={i.width}, eps={i.imm}"
            )
        case Opcode.STORE:
            order = f"{i.keys}x{i.k_tiles}x{i.tokens}x{i.n_tiles} beats"
            buffer = "features" if i.features_only else "output"
            return f"{buffer}+{i.imm} = res[{_rows(i.src_base, i.src_stride)}]  {order}"
        case Opcode.COPY:
            target, source = _rows(i.dst_base, i.dst_stride), _rows(i.src_base, i.src_stride)
            return f"res[{target}] = res[{source}]  {i.tokens}x{i.n_tiles} words"
        case Opcode.KEEP:
            return f"resident[{_rows(i.dst_base, i.dst_stride)}] = weights, {i.tokens}x{i.n_tiles} words"
        case Opcode.END:
            return ""


def _rows(base: int, stride: int) -> str:
    return f"{base}+t*{stride}"


def _gemm(i: Instruction) -> str:
    rows = f"queue[{i.expert}]" if i.expert_valid else f"{i.tokens} tokens"
    source = {
        StreamSource.ACT: "act",
        StreamSource.ACT_GATHER: "act gather",
        StreamSource.SCORES: "exp score",
    }[i.stream_src]
    streamed = f"{source}[{_rows(i.src_base, i.src_stride)}]"
    if i.stat_src is StatSource.WEIGHTS:
        stationary = "W"
    elif i.stat_src is StatSource.RESIDENT:
        stationary = f"W resident[{i.stat_base}+..]"
    else:
        name = "K^T" if i.stat_src is StatSource.KEYS else "V"
        stationary = f"{name}[{i.stat_base}+key*{i.stat_stride}, {i.keys} keys]"
    target = {
        Dest.ACT: "act",
        Dest.HIDDEN: "act hidden",
        Dest.KV: "kv",
        Dest.SCORES: "score",
        Dest.ROUTER: "router",
        Dest.RES_ADD: "res +=",
        Dest.RES_ACC: "res += wide",
        Dest.RES_SET: "res",
    }[i.dst]
    where = f"[{_rows(i.dst_base, i.dst_stride)}]"
    if i.dst is Dest.ROUTER:
        where = f"[from token {i.dst_base}]" if i.dst_base else ""
    if i.scatter:
        where += " scatter"
    epilogue = [] if i.params else [f"* {i.imm_mult}>>{i.imm_shift}"]
    if i.fn is not Function.NONE:
        epilogue.append(i.fn.name.lower())
    if i.scale2 is not Scale2.NONE:
        shift = f">>{i.shift2}" if i.scale2 in (Scale2.SCORE, Scale2.RECIP) else ""
        epilogue.append(i.scale2.name.lower() + shift)
    if i.dst is Dest.ROUTER:
        epilogue.append(f"top {i.top_k} of {i.width}")
    tiles = f"{rows}, {i.k_tiles}x{i.n_tiles} tiles"
    return "  ".join([f"{target}{where} = {streamed} . {stationary}", *epilogue, f"({tiles})"])


def _flags(i: Instruction) -> list[str]:
    flags = [name for name, on in (("sync", i.sync), ("wait", i.wait_stream)) if on]
    if i.features_only:
        flags.append("features only")
    if i.cold_only:
        flags.append("first job only")
    tasks = _tasks(i.task_mask)
    return [*flags, tasks.strip()] if tasks else flags


def _tasks(mask: int) -> str:
    """'' for every task, else the numbers of those that execute it."""
    if mask == ALL_TASKS:
        return ""
    return f"  tasks {','.join(str(task) for task in range(16) if mask >> task & 1)}"
