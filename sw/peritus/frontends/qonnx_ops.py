# SPDX-License-Identifier: Apache-2.0
"""Custom operators for the QONNX executor; the module's name is their ONNX domain (see `moe_format`)."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import NodeProto, helper
from qonnx.custom_op.base import CustomOp

from peritus.frontends.moe_format import DEFAULT_ACTIVATION
from peritus.ir.formats import GELU_SCALE

F32 = npt.NDArray[np.float32]

__all__ = ["MoE", "Task"]


def fake_quantize(x: F32, scale: float, bits: int, zero_point: int = 0) -> F32:
    """Round half to even to multiples of `scale`, clamped to signed `bits`: what QONNX's Quant does."""
    limit = 2 ** (bits - 1)
    steps = np.clip(np.round(x / np.float32(scale) + zero_point), -limit, limit - 1)
    return np.asarray((steps - zero_point) * np.float32(scale), dtype=np.float32)


def gelu(x: float) -> float:
    """x Phi(x)."""
    return 0.5 * x * math.erfc(-x / math.sqrt(2))


def relu(x: float) -> float:
    """max(x, 0)."""
    return max(x, 0.0)


TABLES: Mapping[str, Callable[[float], float]] = {"gelu": gelu, "relu": relu}


@functools.cache
def table(function: str) -> F32:
    """A function of TABLES of every signed 16-bit Q.8 number, index x * 256 + 32768."""
    return np.array([TABLES[function](x / 256) for x in range(-32768, 32768)], dtype=np.float32)


class MoE(CustomOp):  # type: ignore[misc]
    """Top-k mixture of experts as `moe_format` defines it, in float32."""

    def get_nodeattr_types(self) -> dict[str, tuple[Any, ...]]:
        return {
            "top_k": ("i", True, 1),
            "residual_scale": ("f", True, 1.0),
            "activation": ("s", False, DEFAULT_ACTIVATION, set(TABLES)),
            "zero_point": ("i", False, 0),
        }

    def make_shape_compatible_op(self, model: Any) -> NodeProto:
        return helper.make_node("Identity", [self.onnx_node.input[0]], list(self.onnx_node.output))

    def infer_node_datatype(self, model: Any) -> None:
        from qonnx.core.datatype import DataType

        model.set_tensor_datatype(self.onnx_node.output[0], DataType["FLOAT32"])

    def execute_node(self, context: dict[str, Any], graph: Any) -> None:
        x, logits, w1, b1, hidden_factor, w2, b2 = (context[name] for name in self.onnx_node.input)
        top_k: int = self.get_nodeattr("top_k")
        residual_scale: float = self.get_nodeattr("residual_scale")
        n_experts = w1.shape[0]
        if not 1 <= top_k <= n_experts:
            raise ValueError(f"{self.onnx_node.name}: top_k = {top_k}, must be 1..{n_experts} (experts)")
        tokens = x.reshape(-1, x.shape[-1])
        flat = logits.reshape(-1, n_experts)
        e = np.exp(flat - flat.max(axis=1, keepdims=True))
        scores = e / e.sum(axis=1, keepdims=True)
        chosen = np.argsort(-flat, axis=1, kind="stable")[:, :top_k]
        values, zero_point = table(self.get_nodeattr("activation")), self.get_nodeattr("zero_point")
        total = np.zeros((tokens.shape[0], w2.shape[1]), np.float32)
        for expert in range(n_experts):
            rows = np.nonzero((chosen == expert).any(axis=1))[0]
            pre = fake_quantize(tokens[rows] @ w1[expert].T + b1[expert], GELU_SCALE, 16)
            g = fake_quantize(values[(pre / GELU_SCALE).astype(np.int64) + 32768], GELU_SCALE, 16)
            h = fake_quantize(g * hidden_factor[expert], 1.0, 8, zero_point)
            y = h @ w2[expert].T + b2[expert]
            total[rows] += fake_quantize(scores[rows, expert, None] * y, residual_scale, 16)
        context[self.onnx_node.output[0]] = total.reshape(*x.shape[:-1], -1)

    def verify_node(self) -> list[str]:
        wrong = len(self.onnx_node.input) != 7
        return (
            [f"{self.onnx_node.name}: MoE has {len(self.onnx_node.input)} inputs, expected 7"]
            if wrong
            else []
        )


class Task(CustomOp):  # type: ignore[misc]
    """One task's map, as `task_format` defines it: the input as it is."""

    def get_nodeattr_types(self) -> dict[str, tuple[Any, ...]]:
        return {
            "index": ("i", True, 0),
            "name": ("s", True, ""),
            "kind": ("s", True, ""),
            "classes": ("strings", False, []),
            "host": ("ints", False, []),
        }

    def make_shape_compatible_op(self, model: Any) -> NodeProto:
        return helper.make_node("Identity", list(self.onnx_node.input), list(self.onnx_node.output))

    def infer_node_datatype(self, model: Any) -> None:
        (source,), (output,) = self.onnx_node.input, self.onnx_node.output
        model.set_tensor_datatype(output, model.get_tensor_datatype(source))

    def execute_node(self, context: dict[str, Any], graph: Any) -> None:
        context[self.onnx_node.output[0]] = context[self.onnx_node.input[0]]

    def verify_node(self) -> list[str]:
        return []
