# SPDX-License-Identifier: Apache-2.0
"""Graph to steps: which memory every value lives in, and the instructions of every operation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from peritus.arch.config import HwConfig
from peritus.arch.isa import MAX_TASKS, Dest, Function, Instruction, Opcode, Scale2
from peritus.arch.memories import Memory
from peritus.bundle.frame import FrameLayout
from peritus.compiler import segments
from peritus.compiler.context import ALL_TASKS, Context, Place
from peritus.compiler.errors import CompileError
from peritus.compiler.expert_use import ExpertUse, order_of_experts
from peritus.compiler.layout import Layout, padded_channels
from peritus.compiler.lower_attention import lower_attention
from peritus.compiler.lower_experts import lower_experts
from peritus.compiler.order import execution_order
from peritus.compiler.step import Step
from peritus.compiler.together import Together
from peritus.ir.graph import Graph
from peritus.ir.ops import Add, Attention, Experts, Head, LayerNorm, Linear, Node, PatchEmbed, Router
from peritus.ir.types import Kind


def lower(graph: Graph, hw: HwConfig, *, together: bool = False, use: ExpertUse | None = None) -> list[Step]:
    """The steps of a graph, in execution order, END last.

    together: also of a job of all tasks, number len(graph.tasks) (peritus.compiler.together). use: of the
    experts (peritus.compiler.expert_use).

    Raises:
        CapacityError: a limit of the hardware is exceeded. CompileError: the graph cannot be mapped; names
        the node.
    """
    context = Context(graph, hw, order_of_experts(graph, use))
    jobs = len(graph.tasks) + together
    context.limit("the task table", jobs, MAX_TASKS, "tasks")
    needed = [graph.needed(task.name, features=True) for task in graph.tasks]
    all_tasks = Together(context) if together else None
    for node in execution_order(graph):
        own = sum(1 << task for task, names in enumerate(needed) if node.name in names)
        shared = all_tasks.shares(node) if all_tasks and own else 0
        context.task_mask = own | shared
        if own:
            _LOWER[type(node)](context, node)
        if all_tasks and own and not shared:
            _LOWER[type(node)](all_tasks.begin(node), node)
        if node.name == graph.features:
            _store_features(context, ALL_TASKS & ~(1 << len(graph.tasks)) if together else ALL_TASKS)
    context.task_mask = ALL_TASKS
    context.step("end", Instruction(Opcode.END))
    return context.steps


def frame_layout(graph: Graph, hw: HwConfig) -> FrameLayout:
    """Where the pixels of a camera frame lie in memory: rows of patches, each of whole AXI beats."""
    patch = graph.patch_embed.patch
    row, beat = patch * graph.image_channels, hw.axi_data_bytes
    return FrameLayout(
        graph.image_height, graph.image_width, graph.image_channels, patch, -(-row // beat) * beat
    )


def _patch_embed(context: Context, node: PatchEmbed) -> None:
    hw, patch = context.hw, node.patch
    tokens, d = context.types[node.name].shape
    frame = frame_layout(context.graph, hw)
    row, columns = patch * frame.channels, frame.width // patch
    count = frame.height // patch * columns
    vector = Layout.groups(patch, row, frame.pitch, hw.pn)
    patches = Place.new(f"{node.name} patches", Memory.ACT, count, vector)
    residual = Place.new("residual", Memory.RESIDUAL, tokens * context.room, Layout.dense(d, hw.pn))
    context.places[node.name] = residual
    load = Instruction(
        Opcode.LOAD_IMAGE,
        keys=count // columns,
        k_tiles=patch,
        tokens=columns,
        n_tiles=frame.pitch // hw.axi_data_bytes,
    )
    context.step(f"{node.name} image", load, destination=patches.region)
    context.step(
        f"{node.name} positions",
        Instruction(Opcode.RES_INIT, tokens=tokens, n_tiles=residual.layout.words),
        destination=residual.region,
        segment=segments.position_segment(node.position, residual.layout, hw.pn),
    )
    template = Instruction(Opcode.GEMM, dst=Dest.RES_ADD)
    patch_tokens = residual.region.rows_from(tokens - count)
    context.affine(node.name, template, node.affine, patches, count, residual.layout, patch_tokens)


def _layernorm(context: Context, node: LayerNorm) -> None:
    source = context.places[node.inputs[0]]
    tokens, d = context.rows(node.name), context.types[node.name].shape[1]
    words = source.layout.words
    buffer = f"the LayerNorm parameter store (max_d_words) with node {node.name!r}"
    context.limit(buffer, words, context.hw.max_d_words, f"words of {context.hw.pn} channels", "max_d_words")
    place = context.places[node.name] = Place.new(node.name, Memory.ACT, tokens, source.layout)
    context.step(
        node.name,
        Instruction(Opcode.LAYERNORM, tokens=tokens, n_tiles=words, width=d, imm=node.epsilon),
        source=source.region,
        destination=place.region,
        segment=segments.layernorm_segment(node, place.layout, context.hw.pn),
    )


def _linear(context: Context, node: Linear) -> None:
    source = context.places[node.inputs[0]]
    tokens, channels = context.rows(node.name), context.types[node.name].shape[1]
    readers = context.graph.readers[node.name]
    if context.types[node.name].kind is Kind.CONTRIBUTION:
        if [type(reader) for reader in readers] != [Add]:
            raise CompileError(f"node {node.name!r}: a 16-bit result must be read by one Add")
        place, dst = context.places[readers[0].inputs[0]], Dest.RES_ADD
    else:
        memory, layout = _activation_place(context, node, readers, channels)
        place = Place.new(node.name, memory, tokens, layout)
        dst = Dest.KV if memory is Memory.KV else Dest.HIDDEN if node.zero_point else Dest.ACT
    context.places[node.name] = place
    template = Instruction(
        Opcode.GEMM,
        fn=Function[node.function.upper()],
        scale2=Scale2.NONE if node.rescale is None else Scale2.CHANNEL,
        dst=dst,
    )
    context.affine(node.name, template, node.affine, source, tokens, place.layout, place.region, node.rescale)


def _activation_place(
    context: Context, node: Linear, readers: Sequence[Node], channels: int
) -> tuple[Memory, Layout]:
    """Keys and values live in the kv memory, everything else in the activation memory."""
    hw = context.hw
    attentions = [reader for reader in readers if isinstance(reader, Attention)]
    if not attentions:
        return Memory.ACT, Layout.dense(channels, hw.pn)
    heads = {reader.heads for reader in attentions}
    if len(heads) > 1:
        raise CompileError(f"node {node.name!r}: read by attentions of {sorted(heads)} heads, must be equal")
    shape = heads.pop(), channels // attentions[0].heads
    operands = {
        index for reader in attentions for index, name in enumerate(reader.inputs) if name == node.name
    }
    if operands == {0}:
        return Memory.ACT, Layout.queries(*shape, hw.pk, hw.pn)
    if len(attentions) < len(readers) or len(operands) > 1:
        raise CompileError(
            f"node {node.name!r}: keys or values cannot be read as anything else, also not as one another"
        )
    return Memory.KV, (Layout.keys if operands == {1} else Layout.values)(*shape, hw.pn)


def _add(context: Context, node: Add) -> None:
    """The Linear that computes the contribution has added it already."""
    context.places[node.name] = context.places[node.inputs[0]]


def _router(context: Context, node: Router) -> None:
    """Lowered with the experts: the queues live from the gate to the last expert of a block of tokens."""


def _head(context: Context, node: Head) -> None:
    hw = context.hw
    task = context.graph.task_index(node.task)
    copy = task * context.types[node.inputs[0]].shape[0] if context.copies > 1 else 0
    channels = len(node.affine.bias) // node.upscale**2
    padded = padded_channels(channels, node.upscale, hw)
    layout = Layout.groups(node.upscale**2, channels, padded, hw.pn)
    tokens = node.rows * node.columns
    logits = Place.new(f"{node.name} logits", Memory.RESIDUAL, tokens, layout)
    patches = context.places[node.inputs[0]].rows_from(copy + node.first)
    template = Instruction(Opcode.GEMM, dst=Dest.RES_SET)
    context.affine(node.name, template, node.affine, patches, tokens, layout, logits.region)
    store = Instruction(
        Opcode.STORE,
        keys=node.rows,
        k_tiles=node.upscale,
        tokens=node.columns,
        n_tiles=node.upscale * padded * 2 // hw.axi_data_bytes,
        imm=context.offsets[task] if context.offsets else 0,
    )
    context.step(f"{node.name} store", store, source=logits.region)


def _store_features(context: Context, jobs: int) -> None:
    place = context.places[context.graph.features]
    tokens = context.types[context.graph.features].shape[0]
    beats = place.layout.words * context.hw.pn * 2 // context.hw.axi_data_bytes
    store = Instruction(Opcode.STORE, features_only=1, keys=1, k_tiles=1, tokens=tokens, n_tiles=beats)
    context.task_mask = jobs
    context.step("features store", store, source=place.region)


_LOWER: dict[type[Node], Callable[[Context, Any], None]] = {
    PatchEmbed: _patch_embed,
    LayerNorm: _layernorm,
    Linear: _linear,
    Attention: lower_attention,
    Add: _add,
    Router: _router,
    Experts: lower_experts,
    Head: _head,
}
