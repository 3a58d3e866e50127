# SPDX-License-Identifier: Apache-2.0
"""Half of the experts without a token: a frame as it is routed, and with that known in advance."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from peritus.arch.isa import Dest, Opcode
from peritus.bundle import Bundle
from peritus.compiler.expert_use import ExpertUse
from peritus.cycles import Routing
from peritus.ir.model_file import QuantModel
from peritus.ir.ops import Affine, Router

_NEVER = -(1 << 24)  # bias of a gate's logit: below what any token reaches


def with_idle_experts(model: QuantModel, share: float = 0.5, seed: int = 0) -> tuple[QuantModel, ExpertUse]:
    """The network with that share of each layer's experts, drawn, out of every token's reach; their use."""
    random = np.random.default_rng(seed)
    nodes, use = [], {}
    for node in model.graph.nodes:
        if isinstance(node, Router):
            experts = len(node.gates[0].bias)
            idle = random.permutation(experts)[: round(share * experts)]
            use[node.name] = [float(expert not in idle) for expert in range(experts)]
            node = replace(node, gates=tuple(_barred(gate, idle.tolist()) for gate in node.gates))
        nodes.append(node)
    return replace(model, graph=replace(model.graph, nodes=tuple(nodes))), use


def _barred(gate: Affine, experts: list[int]) -> Affine:
    bias = gate.bias.copy()
    bias[experts] = _NEVER
    return replace(gate, bias=bias)


def known_in_advance(bundle: Bundle, task: str, routing: Routing) -> Bundle:
    """The program without the idle experts of a task's job: neither instructions nor segments of theirs."""
    bit = 1 << bundle.task_index(task)
    gate, program = -1, []
    for i in bundle.instructions:
        if i.task_mask & bit:
            gate += i.opcode is Opcode.GEMM and i.dst is Dest.ROUTER
            if i.expert_valid and not routing[gate][i.expert]:
                i = replace(i, task_mask=i.task_mask & ~bit)
        program.append(i)
    gate, first, fetches = -1, 0, []
    for entry in bundle.fetches:
        if entry.task_mask & bit and entry.expert_valid:
            gate, first = gate + entry.first_of_gate, first | entry.first_of_gate
            if routing[gate][entry.expert]:
                entry, first = replace(entry, first_of_gate=first), 0
            else:
                entry = replace(entry, task_mask=entry.task_mask & ~bit)
        fetches.append(entry)
    return replace(bundle, instructions=tuple(program), fetches=tuple(fetches))
