# SPDX-License-Identifier: Apache-2.0
"""Mixture of experts: gate, then expert by expert on the tokens that the gate queued for it.

A queue holds acc_depth tokens: longer sequences are routed block by block. In a job of all tasks each gate
has its task's copy of the tokens, and the queues of all are one: an expert's weights are read once.
"""

from __future__ import annotations

from dataclasses import replace

from peritus.arch.isa import Dest, Function, Instruction, Opcode, Scale2, StreamSource
from peritus.arch.memories import Memory
from peritus.compiler.context import Context, Place
from peritus.compiler.errors import CompileError
from peritus.compiler.layout import Layout
from peritus.compiler.step import Region
from peritus.ir.ops import Experts, Router


def lower_experts(context: Context, node: Experts) -> None:
    """Append the steps of one mixture of experts with its router."""
    hw = context.hw
    router = context.graph.node[node.inputs[1]]
    assert isinstance(router, Router)
    context.limit(f"node {router.name!r}", len(node.experts), hw.max_experts, "experts", "max_experts")
    context.limit(
        f"node {router.name!r}", router.top_k, hw.max_top_k, "experts per token (top_k)", "max_top_k"
    )
    if isinstance(context.graph.node[node.inputs[2]], Experts):
        raise CompileError(
            f"node {node.name!r}: its residual {node.inputs[2]!r} is an unsaturated sum of experts"
        )
    source = context.places[node.inputs[0]]
    residual = context.places[node.name] = context.places[node.inputs[2]]
    layouts = [Layout.dense(len(expert.hidden.bias), hw.pn) for expert in node.experts]
    hidden_words = max(layout.words for layout in layouts)
    rows_in_all = context.rows(node.inputs[0])
    if context.copies > 1:
        context.limit("acc_depth with a job of all tasks", rows_in_all, hw.acc_depth, "tokens", "acc_depth")
    for first, count, suffix in context.blocks(rows_in_all):
        rows = source.rows_from(first)
        _lower_gates(context, router, rows, count, suffix)
        hidden = Region.whole(f"{node.name} hidden{suffix}", Memory.ACT, count, hidden_words)
        for index in context.experts[router.name]:
            expert, layout = node.experts[index], layouts[index]
            label = f"{node.name} expert {index}"
            routed = Instruction(Opcode.GEMM, expert_valid=1, expert=index)
            gather = replace(
                routed,
                stream_src=StreamSource.ACT_GATHER,
                fn=Function[node.function.upper()],
                scale2=Scale2.NONE if expert.rescale is None else Scale2.CHANNEL,
                dst=Dest.HIDDEN if node.zero_point else Dest.ACT,
            )
            context.affine(
                f"{label} hidden{suffix}", gather, expert.hidden, rows, count, layout, hidden, expert.rescale
            )
            scatter = replace(
                routed, scatter=1, scale2=Scale2.SCORE, shift2=node.score_shift, dst=Dest.RES_ACC
            )
            target = residual.region.rows_from(first)
            context.affine(
                f"{label} output{suffix}",
                scatter,
                expert.output,
                Place(hidden, layout),
                count,
                residual.layout,
                target,
            )


def _lower_gates(context: Context, node: Router, source: Place, count: int, suffix: str) -> None:
    """The gate of each task that executes the router; the logits go to the router block, not to a memory."""
    mask, tokens = context.task_mask, count // context.copies
    together = -1 << len(node.gates)  # jobs that are no single task's
    for task, gate in enumerate(node.gates):
        first = 0
        if context.copies > 1:  # each task's gate, on its copy of the tokens
            first = task * tokens
        else:  # a job's own; without copies gates are alike, and the job of all tasks has the first
            context.task_mask = mask & (1 << task | (together if task == 0 else 0))
        if context.task_mask:
            experts = len(gate.bias)
            template = Instruction(
                Opcode.GEMM, dst=Dest.ROUTER, width=experts, top_k=node.top_k, dst_base=first
            )
            label = f"{node.name} gate {context.graph.tasks[task].name}{suffix}"
            layout = Layout.dense(experts, context.hw.pn)
            context.affine(label, template, gate, source.rows_from(first), tokens, layout, None)
    context.task_mask = mask
