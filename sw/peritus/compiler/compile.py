# SPDX-License-Identifier: Apache-2.0
"""Quantized model to bundle."""

from __future__ import annotations

from peritus.arch.config import HwConfig
from peritus.bundle import Bundle, FeatureEntry
from peritus.compiler.emit import emit
from peritus.compiler.errors import CompileError
from peritus.compiler.expert_use import ExpertUse
from peritus.compiler.hazards import hazard_flags
from peritus.compiler.lower import frame_layout, lower
from peritus.compiler.macs import together_macs
from peritus.compiler.memory_plan import plan_memory
from peritus.compiler.resident import keep_resident
from peritus.compiler.task_entry import task_entry
from peritus.compiler.together import parting
from peritus.ir.model_file import QuantModel


def compile_model(
    model: QuantModel, hw: HwConfig, *, together: bool = False, use: ExpertUse | None = None
) -> Bundle:
    """Compile a model for one hardware configuration.

    together: with a job of all tasks of an image (peritus.compiler.together). use: how much each expert is
    used, router by router (peritus.compiler.expert_use).

    Raises:
        CapacityError: the model is too large; names the buffer, what it needs and what there is.
        CompileError: the model cannot be mapped; names the node.
    """
    graph = model.graph
    if model.tail is None and (hosted := [task.name for task in graph.tasks if task.host]):
        raise CompileError(f"the host computes {', '.join(hosted)}, by a part that the model lacks")
    steps = keep_resident(lower(graph, hw, together=together, use=use), hw)
    plan = plan_memory(steps, hw)
    emitted = emit(steps, plan, hazard_flags(steps, hw), hw)
    tokens, channels = graph.types[graph.features].shape
    padded = -(-channels // hw.pn) * hw.pn
    return Bundle(
        model=model.name,
        provenance=model.provenance,
        hw=hw,
        frame=frame_layout(graph, hw),
        tasks=tuple(task_entry(graph, task, hw) for task in graph.tasks),
        features=FeatureEntry(tokens, channels, padded, graph.residual_scale),
        memory={str(memory.size): words for memory, words in plan.used.items()},
        instructions=emitted.instructions,
        labels=tuple(step.label for step in steps),
        fetches=emitted.fetches,
        weights=emitted.weights,
        tail=model.tail,
        together=together_macs(graph, parting(graph).shared) if together else 0,
    )
