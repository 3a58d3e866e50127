# SPDX-License-Identifier: Apache-2.0
"""A dataflow graph being written: FINN nodes, tensors with shapes and types, forks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from finn.util.basic import getHWCustomOp
from onnx import NodeProto, TensorProto, helper
from qonnx.core.datatype import DataType
from qonnx.core.modelwrapper import ModelWrapper

from peritus.finn.nodes.node import PeritusNode
from peritus.reference.arithmetic import Ints

DOMAIN = "finn.custom_op.fpgadataflow"


@dataclass
class Dataflow:
    """Nodes in the order of the data. A tensor that is read twice gets a fork when the graph is finished.

    inputs, outputs: names of the graph's own tensors.
    """

    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    nodes: list[NodeProto] = field(default_factory=list)
    tensors: dict[str, tuple[tuple[int, ...], str]] = field(default_factory=dict)
    weights: dict[str, tuple[npt.NDArray[np.float32], str]] = field(default_factory=dict)

    def tensor(self, name: str, shape: Sequence[int], kind: str) -> str:
        """Declare a tensor; its name."""
        self.tensors[name] = (tuple(int(n) for n in shape), kind)
        return name

    def weight(self, name: str, values: Ints, kind: str) -> str:
        """Constants that FINN's own nodes read; its name."""
        self.weights[name] = (values.astype(np.float32), kind)
        return name

    def own(
        self, op: str, name: str, inputs: Sequence[str], outputs: Sequence[str], **attributes: Any
    ) -> tuple[str, ...]:
        """Append one of our nodes and declare its outputs, whose shapes and types it knows itself."""
        node = self._append(op, name, inputs, outputs, attributes)
        custom: PeritusNode = getHWCustomOp(node)
        for output, stream in zip(outputs, custom.streams_out(), strict=True):
            self.tensor(output, stream.shape, stream.kind)
        return tuple(outputs)

    def theirs(self, op: str, name: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        """Append one of FINN's nodes; its output is declared."""
        self._append(op, name, inputs, [output], attributes)
        return output

    def _append(
        self, op: str, name: str, inputs: Sequence[str], outputs: Sequence[str], attributes: dict[str, Any]
    ) -> NodeProto:
        node = helper.make_node(
            op, list(inputs), list(outputs), name=name, domain=DOMAIN, backend="fpgadataflow", **attributes
        )
        self.nodes.append(node)
        return node

    def model(self, name: str) -> ModelWrapper:
        """The finished graph."""
        self._fork()
        infos = {
            tensor: helper.make_tensor_value_info(tensor, TensorProto.FLOAT, shape)
            for tensor, (shape, _) in self.tensors.items()
        }
        ends = {*self.inputs, *self.outputs}
        graph = helper.make_graph(
            self.nodes,
            name,
            [infos[tensor] for tensor in self.inputs],
            [infos[tensor] for tensor in self.outputs],
            value_info=[info for tensor, info in infos.items() if tensor not in ends],
        )
        opsets = [helper.make_opsetid("", 18), helper.make_opsetid(DOMAIN, 1)]
        model = ModelWrapper(helper.make_model(graph, opset_imports=opsets))
        for tensor, (_, kind) in self.tensors.items():
            model.set_tensor_datatype(tensor, DataType[kind])
        for tensor, (values, kind) in self.weights.items():
            model.set_initializer(tensor, values)
            model.set_tensor_datatype(tensor, DataType[kind])
        return model

    def _readers(self, tensor: str) -> list[tuple[NodeProto, int]]:
        return [(n, i) for n in self.nodes for i, name in enumerate(n.input) if name == tensor]

    def _fork(self) -> None:
        """One reader per stream: FINN's streams have no more."""
        for tensor, (shape, kind) in list(self.tensors.items()):
            readers = self._readers(tensor)
            count = len(readers) + (tensor in self.outputs)
            if count < 2:
                continue
            place = next((i for i, n in enumerate(self.nodes) if tensor in n.output), -1) + 1
            copies = [f"{tensor}.copy{index}" for index in range(count)]
            lanes = getHWCustomOp(readers[0][0]).get_folded_input_shape(readers[0][1])[-1]
            for (reader, index), copy in zip(readers, copies, strict=False):
                reader.input[index] = copy
            if tensor in self.outputs:
                self.outputs[self.outputs.index(tensor)] = copies[-1]
            self.own(
                "PeritusFork",
                f"{tensor}.fork",
                [tensor],
                copies,
                numInputVectors=shape[:-1],
                NumChannels=shape[-1],
                NumOutputStreams=count,
                PE=lanes,
                inputDataType=kind,
            )
            self.nodes.insert(place, self.nodes.pop())


def divisor(of: int, most: int, least: int = 1) -> int:
    """The largest divisor of `of` up to `most`, or else the smallest above: a folding to begin with."""
    fits = [n for n in range(least, most + 1) if of % n == 0]
    return max(fits) if fits else next(n for n in range(least, of + 1) if of % n == 0)
