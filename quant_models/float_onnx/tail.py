# SPDX-License-Identifier: Apache-2.0
"""What a file computes of the residual stream behind its last block, as the host's tail."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, helper

from peritus.tail import FEATURES, HostTail
from peritus.tasks import TaskKind
from quant_models.float_onnx.graph import FloatGraph, OnnxError, label
from quant_models.float_onnx.values import Unknown, Value
from quant_models.network.config import TaskConfig


@dataclass(frozen=True)
class Output:
    """One output of the file and its task; host: computed by the tail."""

    name: str
    task: TaskConfig


def describe(graph: FloatGraph, output: str, wanted: Sequence[TaskConfig], *, host: bool) -> Output:
    """The task of an output, by its shape, unless `wanted` has one of its name.

    (1, C, H, W): a map, of classes if C > 1. (1, C): class logits. (1, N, C): an embedding of N vectors.

    Raises:
        OnnxError: another shape, or other channels than wanted.
    """
    shape = graph.values[output].shape
    kind: TaskKind
    match shape:
        case (1, channels, rows, columns):
            kind = "depth" if channels == 1 else "segmentation"
        case (1, rows, channels):
            kind, columns = "embedding", 1
        case (1, channels):
            kind, rows, columns = "classification", 1, 1
        case _:
            raise OnnxError(
                f"output {output!r} has shape {shape}, expected (1, C, H, W), (1, N, C) or (1, C)"
            )
    name = re.sub(r"\W|^(?=\d)", "_", output)
    asked = next((task for task in wanted if task.name == name), None)
    if asked is not None and asked.channels != channels:
        raise OnnxError(f"output {output!r} has {channels} channels, --tasks says {asked.channels}")
    chosen = kind if asked is None else asked.kind
    return Output(output, TaskConfig(name, chosen, channels, host=(rows, columns) if host else None))


def cut(
    graph: FloatGraph, values: Mapping[str, Value], stream: str, outputs: Sequence[Output]
) -> tuple[HostTail, list[NodeProto]]:
    """The part of a file between a tensor of the stream and some outputs, and its nodes.

    Raises:
        OnnxError: an output reads something else that depends on pixels, or attention is among the nodes: a
        block that was not understood; names the node and why.
    """
    nodes = _between(graph, stream, [output.name for output in outputs])
    for node in nodes:
        if node.op_type == "Softmax" and graph.values[node.output[0]].shape[-1] > 1:
            rows = graph.values[stream].shape[-2]
            if graph.values[node.output[0]].shape[-1] == rows:
                raise OnnxError(
                    f"attention behind the last block that was understood: {_first_reason(values, nodes)}"
                )
    constants = {
        name: graph.values[name] for node in nodes for name in node.input if name and name not in graph.live
    }
    made = {name for node in nodes for name in node.output}
    copies = []
    for node in nodes:
        copy = NodeProto()
        copy.CopyFrom(node)
        copy.input[:] = [_inner(name, stream, made) if name else "" for name in node.input]
        copy.output[:] = [_inner(name, stream, made) for name in node.output]
        copies.append(copy)
    shaped = []
    for output in outputs:
        assert output.task.host is not None
        source = _inner(output.name, stream, made)
        rank = graph.values[output.name].ndim
        if rank == 4:
            order = f"{source}_last"
            copies.append(helper.make_node("Transpose", [source], [order], perm=[0, 2, 3, 1]))
            source = order
        shape = f"{output.task.name}_shape"
        constants[shape] = np.array([*output.task.host, output.task.channels], np.int64)
        copies.append(helper.make_node("Reshape", [source, shape], [output.task.name]))
        shaped.append(
            helper.make_tensor_value_info(output.task.name, TensorProto.FLOAT, constants[shape].tolist())
        )
    features = helper.make_tensor_value_info(FEATURES, TensorProto.FLOAT, graph.values[stream].shape)
    initializers = [
        onnx.numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()
    ]
    model = helper.make_model(
        helper.make_graph(copies, "tail", [features], shaped, initializers),
        opset_imports=graph.model.opset_import,
        ir_version=graph.model.ir_version,
    )
    onnx.checker.check_model(model)
    return HostTail(model.SerializeToString(deterministic=True)), nodes


def _inner(name: str, stream: str, made: set[str]) -> str:
    """Names of the tail's own tensors: apart from the features' and the tasks'."""
    if name == stream:
        return FEATURES
    return f"tail_{name}" if name in made else name


def _between(graph: FloatGraph, stream: str, outputs: Sequence[str]) -> list[NodeProto]:
    makers = {name: node for node in graph.nodes for name in node.output}
    pending, wanted = [name for name in outputs if name != stream], set()
    while pending:
        name = pending.pop()
        if name not in makers:  # the image itself
            raise OnnxError(
                f"an output reads {name!r}, which is not behind the last block: the host's part may only "
                "read "
                f"{stream!r}"
            )
        node = makers[name]
        if node.output[0] in wanted:
            continue
        wanted.add(node.output[0])
        pending += [source for source in node.input if source in graph.live and source != stream]
    return [node for node in graph.nodes if node.output[0] in wanted]


def _first_reason(values: Mapping[str, Value], nodes: Sequence[NodeProto]) -> str:
    """Why the first node behind the last block was not understood."""
    for node in nodes:
        value = values.get(node.output[0])
        if isinstance(value, Unknown):
            return value.reason
    return f"{label(nodes[0])}: its result is added to no residual stream"
