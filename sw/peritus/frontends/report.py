# SPDX-License-Identifier: Apache-2.0
"""What became of every node of a QONNX file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from onnx import ModelProto

from peritus.frontends.errors import label
from peritus.frontends.onnx_graph import OnnxGraph

CONSTANT = "constant"
UNUSED = "no output depends on it"


@dataclass(frozen=True)
class Lowered:
    """One node of the file. became: the integer nodes that it is part of, or why it is none."""

    node: str
    operator: str
    became: str


def report(model: ModelProto, g: OnnxGraph, done: Mapping[str, str]) -> list[Lowered]:
    """One row per node of the file, in its order.

    An ONNX node is part of the integer nodes that it lies behind, up to the values that these read.

    Args:
        done: tensor -> name of the integer value, of `lower_graph`.
    """
    became: dict[str, list[str]] = {}
    for tensor, name in done.items():
        pending = [tensor]
        while pending:
            node = g.find(pending.pop())
            if node is None or name in became.setdefault(node.output[0], []):
                continue
            became[node.output[0]].append(name)
            pending += [source for source in node.input if source not in done]
    for _, tensor in g.outputs:
        task = g.find(tensor)
        if task is not None and tensor not in became:
            became[tensor] = [done.get(str(task.input[0]), tensor)]
    rows = []
    for node in model.graph.node:
        output = node.output[0] if node.output else ""
        names = became.get(g.parts.get(output, output), [])
        constant = CONSTANT if g.is_constant(output) or node.op_type == "Identity" else UNUSED
        rows.append(Lowered(label(node), node.op_type, ", ".join(names) or constant))
    return rows
