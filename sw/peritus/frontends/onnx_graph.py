# SPDX-License-Identifier: Apache-2.0
"""Reading an ONNX graph backwards: producers, constants, quantized constants; errors name the node."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import ModelProto, NodeProto, helper, numpy_helper

from peritus.errors import PeritusError

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]


class UnsupportedLayerError(PeritusError):
    """Something that cannot be lowered; the message names the node and what was expected."""


def unsupported(node: NodeProto, message: str) -> UnsupportedLayerError:
    """The error to raise for a node."""
    return UnsupportedLayerError(f"node {node.name!r} ({node.op_type}): {message}")


@dataclass(frozen=True)
class QuantConstant:
    """A quantized constant: `bits`-bit `values` times `scale` elementwise, both of the same shape."""

    values: I64
    scale: F64
    bits: int

    def transpose(self, axes: list[int]) -> QuantConstant:
        return QuantConstant(self.values.transpose(axes), self.scale.transpose(axes), self.bits)

    def reshape(self, *shape: int) -> QuantConstant:
        return QuantConstant(self.values.reshape(shape), self.scale.reshape(shape), self.bits)

    def __getitem__(self, index: Any) -> QuantConstant:
        return QuantConstant(self.values[index], self.scale[index], self.bits)


@dataclass(frozen=True)
class QuantGrid:
    """A QONNX Quant node's grid: integers in low..high times `scale` (broadcastable to the tensor)."""

    scale: F64
    bits: int
    signed: bool
    narrow: bool

    @property
    def low(self) -> int:
        return -(1 << (self.bits - 1)) + self.narrow if self.signed else 0

    @property
    def high(self) -> int:
        return (1 << (self.bits - self.signed)) - 1

    def __str__(self) -> str:
        return f"{'' if self.signed else 'u'}int{self.bits} with {self.scale.size} scale(s)"


class OnnxGraph:
    """Lookup by tensor name in a single-batch model."""

    def __init__(self, model: ModelProto) -> None:
        graph = model.graph
        self._producers = {name: node for node in graph.node for name in node.output}
        self._constants = {tensor.name: tensor for tensor in graph.initializer}
        self._shapes = {
            info.name: tuple(d.dim_value for d in info.type.tensor_type.shape.dim)
            for info in (*graph.input, *graph.output, *graph.value_info)
        }
        self.inputs = [info.name for info in graph.input if info.name not in self._constants]
        self.outputs = [info.name for info in graph.output]
        self.metadata = {entry.key: entry.value for entry in model.metadata_props}

    def shape(self, tensor: str) -> tuple[int, ...]:
        """Declared shape of an input, output or intermediate tensor."""
        if tensor not in self._shapes:
            raise UnsupportedLayerError(f"tensor {tensor!r} has no shape; run ONNX shape inference first")
        return self._shapes[tensor]

    def find(self, tensor: str) -> NodeProto | None:
        """The node that computes `tensor`, None for graph inputs and initializers."""
        return self._producers.get(tensor)

    def producer(self, tensor: str, *op_types: str) -> NodeProto:
        """The node that computes `tensor`, which must have one of the given types."""
        node = self.find(tensor)
        expected = " or ".join(op_types)
        if node is None:
            raise UnsupportedLayerError(f"tensor {tensor!r} is not computed by a node, expected {expected}")
        if node.op_type not in op_types:
            raise unsupported(node, f"expected {expected} here")
        return node

    def is_constant(self, tensor: str) -> bool:
        return tensor in self._constants

    def constant(self, tensor: str) -> npt.NDArray[Any]:
        """Value of an initializer, possibly reshaped afterwards."""
        if tensor in self._constants:
            return numpy_helper.to_array(self._constants[tensor])
        node = self.find(tensor)
        if node is None or node.op_type != "Reshape":
            raise UnsupportedLayerError(f"tensor {tensor!r} must be a constant (an initializer)")
        return self.constant(node.input[0]).reshape(self.constant(node.input[1]))

    def floats(self, tensor: str) -> F64:
        """Value of a constant in float64."""
        return self.constant(tensor).astype(np.float64)

    def split_constant(self, node: NodeProto) -> tuple[str, F64]:
        """(variable input, constant input) of a commutative node of two inputs."""
        first, second = node.input
        return (second, self.floats(first)) if self.is_constant(first) else (first, self.floats(second))

    def attributes(self, node: NodeProto) -> dict[str, Any]:
        values = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        return {k: v.decode() if isinstance(v, bytes) else v for k, v in values.items()}

    def require(self, node: NodeProto, **expected: Any) -> None:
        """Check attributes of a node."""
        found = self.attributes(node)
        for name, value in expected.items():
            if found.get(name) != value:
                raise unsupported(node, f"{name} = {found.get(name)}, expected {value}")

    def through(self, tensor: str, op_type: str, **attributes: Any) -> str:
        """First input of the node that computes `tensor`, of this type and with these attributes."""
        node = self.producer(tensor, op_type)
        self.require(node, **attributes)
        return str(node.input[0])

    def quant_grid(self, node: NodeProto) -> QuantGrid:
        """Grid of a Quant node; quantization must be symmetric."""
        scale, zero_point, bits = (self.floats(name) for name in node.input[1:4])
        if np.any(zero_point != 0):
            raise unsupported(node, f"zero point {zero_point.ravel()[0]}, expected 0")
        if bits.size != 1:
            raise unsupported(node, f"{bits.size} bit widths, expected one")
        attributes = self.attributes(node)
        return QuantGrid(scale, int(bits.item()), bool(attributes["signed"]), bool(attributes["narrow"]))

    def on_grid(self, tensor: str, bits: int, signed: bool = True) -> tuple[NodeProto, str, float]:
        """The Quant node that computes an activation: (node, its input, its one scale)."""
        node = self.producer(tensor, "Quant")
        grid = self.quant_grid(node)
        if (grid.bits, grid.signed) != (bits, signed) or grid.scale.size != 1:
            raise unsupported(node, f"{grid}, expected {'' if signed else 'u'}int{bits} with one")
        return node, str(node.input[0]), float(grid.scale.item())

    def on_fixed_grid(self, tensor: str, bits: int, scale: float, signed: bool = True) -> str:
        """Input of a Quant whose scale is a fixed-point format of the accelerator."""
        node, source, found = self.on_grid(tensor, bits, signed)
        if not math.isclose(found, scale, rel_tol=1e-5):
            raise unsupported(node, f"scale {found}, expected {scale}")
        return source

    def quant_constant(self, tensor: str) -> QuantConstant:
        """A constant behind a Quant node, possibly transposed or reshaped after it."""
        node = self.producer(tensor, "Quant", "Transpose", "Reshape")
        if node.op_type == "Transpose":
            return self.quant_constant(node.input[0]).transpose(self.attributes(node)["perm"])
        if node.op_type == "Reshape":
            return self.quant_constant(node.input[0]).reshape(*map(int, self.constant(node.input[1])))
        grid, value = self.quant_grid(node), self.constant(node.input[0])
        scale = np.broadcast_to(grid.scale, value.shape)
        # float32, as QONNX's and Brevitas' executors divide, so that ties fall alike
        steps = np.round(value.astype(np.float32) / scale.astype(np.float32))
        return QuantConstant(np.clip(steps, grid.low, grid.high).astype(np.int64), scale, grid.bits)
