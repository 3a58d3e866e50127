# SPDX-License-Identifier: Apache-2.0
"""Classifiers of plain vision transformers that read more than the class token, as the host's tail.

A mean over tokens and a linear layer on it are 0.01 % of a network; the accelerator has no mean over tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, helper
from torch import Tensor

from peritus.tail import FEATURES, HostTail

OPSET, IR_VERSION = 17, 8
Pool = Literal["mean", "first+mean", "each"]


@dataclass(frozen=True, eq=False)
class PooledClassifier:
    """Logits of tokens (tokens, d), behind `prefix` tokens that no pixel makes.

    pool: "mean": of the patches; "first+mean": the class token beside the mean, 2 d values; "each": head i
    reads token i, and the logits are averaged. norm: weight and bias of the last LayerNorm. norm_first: in
    front of the pooling, else behind it. heads: weight (classes, values) and bias (classes,) of each.
    """

    pool: Pool
    prefix: int
    norm: tuple[Tensor, Tensor]
    norm_first: bool
    heads: Sequence[tuple[Tensor, Tensor]]

    @property
    def classes(self) -> int:
        return len(self.heads[0][1])

    def tail(self, task: str, epsilon: float) -> HostTail:
        """The ONNX graph; its output is float32 [1, 1, classes]."""
        d = len(self.norm[0])
        nodes: list[NodeProto] = []
        constants = {
            "gamma": self.norm[0].numpy(),
            "beta": self.norm[1].numpy(),
            "shape": np.array([1, 1, self.classes], np.int64),
            "axis": np.array([1], np.int64),
            "end": np.array([np.iinfo(np.int64).max], np.int64),
            "prefix": np.array([self.prefix], np.int64),
            "count": np.array([len(self.heads)], np.float32),
        }

        def add(operator: str, inputs: list[str], name: str, **attributes: Any) -> str:
            nodes.append(helper.make_node(operator, inputs, [name], **attributes))
            return name

        def normed(name: str) -> str:
            norm = ["gamma", "beta"]
            return add("LayerNormalization", [name, *norm], f"{name}_normed", axis=-1, epsilon=epsilon)

        def token(name: str, index: int) -> str:
            constants[f"from{index}"] = np.array([index], np.int64)
            constants[f"to{index}"] = np.array([index + 1], np.int64)
            cut = add("Slice", [name, f"from{index}", f"to{index}", "axis"], f"token{index}")
            return add("Squeeze", [cut, "axis"], f"token{index}_flat")

        tokens = normed(FEATURES) if self.norm_first else FEATURES
        if self.pool == "each":
            read = [token(tokens, index) for index in range(len(self.heads))]
        else:
            patches = add("Slice", [tokens, "prefix", "end", "axis"], "patches")
            mean = add("ReduceMean", [patches], "mean", axes=[1], keepdims=0)
            if self.pool == "first+mean":
                mean = add("Concat", [token(tokens, 0), mean], "joined", axis=-1)
            read = [mean]
        if not self.norm_first:
            read = [normed(name) for name in read]
        logits = []
        for index, ((weight, bias), name) in enumerate(zip(self.heads, read, strict=True)):
            constants |= {f"weight{index}": weight.numpy(), f"bias{index}": bias.numpy()}
            inputs = [name, f"weight{index}", f"bias{index}"]
            logits.append(add("Gemm", inputs, f"logits{index}", transB=1))
        total = add("Sum", logits, "total") if len(logits) > 1 else logits[0]
        average = add("Div", [total, "count"], "average")
        add("Reshape", [average, "shape"], task)
        graph = helper.make_graph(
            nodes,
            "classifier",
            [helper.make_tensor_value_info(FEATURES, TensorProto.FLOAT, [1, "tokens", d])],
            [helper.make_tensor_value_info(task, TensorProto.FLOAT, [1, 1, self.classes])],
            [onnx.numpy_helper.from_array(np.ascontiguousarray(v), name) for name, v in constants.items()],
        )
        opsets = [helper.make_opsetid("", OPSET)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)
        onnx.checker.check_model(model)
        return HostTail(model.SerializeToString(deterministic=True))
