# SPDX-License-Identifier: Apache-2.0
"""Reading an ONNX graph backwards: producers, constants, quantized constants; errors name the node."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import ModelProto, NodeProto

from peritus.frontends.errors import UnsupportedLayerError, unsupported
from peritus.frontends.foreign import refuse_foreign
from peritus.frontends.normalize import check, normalized
from peritus.frontends.operators import OPERATORS, attributes
from peritus.frontends.shapes import Shape

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
BITS = range(2, 17)  # of any grid
BIAS_BITS = range(2, 33)  # of a bias


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
    """A QONNX Quant node's grid: integers in low..high, less `zero_point`, times `scale` (broadcastable to
    the tensor)."""

    scale: F64
    bits: int
    signed: bool
    narrow: bool
    zero_point: int = 0

    @property
    def low(self) -> int:
        return -(1 << (self.bits - 1)) + self.narrow if self.signed else 0

    @property
    def high(self) -> int:
        return (1 << (self.bits - self.signed)) - 1

    def __str__(self) -> str:
        narrow = "narrow " if self.narrow else ""
        zero = f", zero point {self.zero_point}," if self.zero_point else ""
        return f"{narrow}{'' if self.signed else 'u'}int{self.bits}{zero} with {self.scale.size} scale(s)"


class OnnxGraph:
    """Lookup by tensor name in a model of one image.

    Raises:
        UnsupportedLayerError: no valid ONNX model, shapes that do not fit, a node that breaks the contract of
        its operator.
    """

    def __init__(self, model: ModelProto) -> None:
        refuse_foreign(model)
        check(model)
        found = normalized(model)
        self.model = model
        self.nodes, self._constants, self.shapes = found.nodes, found.constants, found.shapes
        self.integers, self.parts = found.integers, found.parts
        self._producers = {name: node for node in self.nodes for name in node.output}
        self.inputs = [info.name for info in model.graph.input if info.name not in self._constants]
        # (name in the file, tensor): an Identity in front of an output is no computation.
        self.outputs = [(info.name, found.aliases.get(info.name, info.name)) for info in model.graph.output]
        self.metadata = {entry.key: entry.value for entry in model.metadata_props}

    def shape(self, tensor: str) -> Shape:
        """Shape of a tensor, the batch being 1."""
        if tensor not in self.shapes:
            raise self._without_shape(tensor)
        return self.shapes[tensor]

    def _without_shape(self, tensor: str) -> UnsupportedLayerError:
        """Why: the first node on the way to the tensor that gives no shape, or an input that has none."""
        node = self.find(tensor)
        while node is not None:
            unknown = [name for name in node.input if name and name not in self.shapes]
            if not unknown:
                known = ", ".join(sorted(OPERATORS))
                return unsupported(node, f"cannot be lowered; operators that can: {known}")
            tensor, node = unknown[0], self.find(unknown[0])
        return UnsupportedLayerError(f"tensor {tensor!r} has no known shape")

    def find(self, tensor: str) -> NodeProto | None:
        """The node that computes `tensor`, None for graph inputs and constants."""
        return self._producers.get(tensor)

    def producer(self, tensor: str, *op_types: str) -> NodeProto:
        """The node that computes `tensor`, which must have one of the given types and keep its contract."""
        node = self.find(tensor)
        expected = " or ".join(op_types)
        if node is None:
            raise UnsupportedLayerError(f"tensor {tensor!r} is not computed by a node, expected {expected}")
        if node.op_type not in op_types:
            raise unsupported(node, f"expected {expected} here")
        attributes(node)
        return node

    def is_constant(self, tensor: str) -> bool:
        return tensor in self._constants

    def constant(self, tensor: str) -> npt.NDArray[Any]:
        """Value of a constant."""
        if tensor not in self._constants:
            raise UnsupportedLayerError(f"tensor {tensor!r} must be a constant")
        return self._constants[tensor]

    def floats(self, tensor: str) -> F64:
        """Value of a constant in float64, finite."""
        value = self.constant(tensor)
        if not np.issubdtype(value.dtype, np.number) or np.iscomplexobj(value):
            raise UnsupportedLayerError(f"tensor {tensor!r} is {value.dtype}, expected numbers")
        with np.errstate(invalid="ignore"):  # what is no number is found below
            values = value.astype(np.float64)
        finite = np.isfinite(values)
        if not finite.all():
            place = tuple(int(i) for i in np.argwhere(~finite)[0])
            raise UnsupportedLayerError(
                f"tensor {tensor!r} has {values[place]} at {list(place)}, "
                f"one of {np.sum(~finite)} values that are not finite"
            )
        return values

    def scalar(self, tensor: str) -> float:
        """Value of a constant of one element."""
        value = self.floats(tensor)
        if value.size != 1:
            raise UnsupportedLayerError(f"tensor {tensor!r} has {value.size} values, expected one")
        return float(value.item())

    def said(self, node: NodeProto) -> dict[str, Any]:
        """Attributes of a node, with the defaults of those left out; it must keep its contract."""
        return attributes(node)

    def require(self, node: NodeProto, **expected: Any) -> None:
        """Check attributes of a node."""
        found = attributes(node)
        for name, value in expected.items():
            if found.get(name) != value:
                raise unsupported(node, f"{name} = {found.get(name)}, expected {value}")

    def through(self, tensor: str, op_type: str, **expected: Any) -> str:
        """First input of the node that computes `tensor`, of this type and with these attributes."""
        node = self.producer(tensor, op_type)
        self.require(node, **expected)
        return str(node.input[0])

    def quant_grid(
        self, node: NodeProto, allowed: range | None = None, zero_points: tuple[int, ...] = (0,)
    ) -> QuantGrid:
        """Grid of a Quant node. allowed: its bit widths, None: BITS. zero_points: of which it has one."""
        allowed = allowed or BITS
        try:
            scale, zero_point, bits = (self.floats(name) for name in node.input[1:4])
        except UnsupportedLayerError as error:
            raise unsupported(node, str(error)) from None
        zeros = np.unique(zero_point)
        if len(zeros) != 1 or zeros[0] not in zero_points:
            found = ", ".join(f"{zero:g}" for zero in zeros[:3]) or "missing"
            raise unsupported(node, f"zero point {found}, expected {' or '.join(map(str, zero_points))}")
        if bits.size != 1:
            raise unsupported(node, f"{bits.size} bit widths, expected one")
        width = float(bits.item())
        if width not in allowed:
            limits = f"{allowed[0]} to {allowed[-1]}"
            raise unsupported(node, f"bit width {width:g}, must be a whole number, {limits}")
        if not (scale.astype(np.float32) > 0).all() or not scale.size:
            raise unsupported(node, f"scale {scale.min(initial=np.inf):g}, must be positive")
        values = attributes(node)
        grid = QuantGrid(scale, int(width), bool(values["signed"]), bool(values["narrow"]), int(zeros[0]))
        if grid.narrow and not grid.signed:
            raise unsupported(node, "narrow = 1 with signed = 0, expected narrow = 0")
        return grid

    def on_grid(self, tensor: str, bits: int, signed: bool = True) -> tuple[NodeProto, str, float]:
        """The Quant node that computes an activation: (node, its input, its one scale)."""
        node = self.producer(tensor, "Quant")
        grid = self.quant_grid(node)
        if (grid.bits, grid.signed, grid.narrow) != (bits, signed, False) or grid.scale.size != 1:
            raise unsupported(node, f"{grid}, expected {'' if signed else 'u'}int{bits} with one")
        return node, str(node.input[0]), float(grid.scale.item())

    def on_fixed_grid(self, tensor: str, bits: int, scale: float, signed: bool = True) -> str:
        """Input of a Quant whose scale is a fixed-point format of the accelerator."""
        node, source, found = self.on_grid(tensor, bits, signed)
        if not math.isclose(found, scale, rel_tol=1e-5):
            raise unsupported(node, f"scale {found}, expected {scale}")
        return source

    def quant_constant(self, tensor: str, bits: range | None = None) -> QuantConstant:
        """A constant behind a Quant node, possibly transposed or reshaped after it; signed.

        bits: as of `quant_grid`.
        """
        node = self.producer(tensor, "Quant", "Transpose", "Reshape")
        if node.op_type == "Transpose":
            return self.quant_constant(node.input[0], bits).transpose(attributes(node)["perm"])
        if node.op_type == "Reshape":
            return self.quant_constant(node.input[0], bits).reshape(*self.shape(tensor))
        grid, value = self.quant_grid(node, bits), self.floats(node.input[0])
        if not grid.signed:
            raise unsupported(node, f"{grid}, expected signed weights")
        scale = np.broadcast_to(grid.scale, value.shape)
        # float32, as QONNX's and Brevitas' executors divide, so that ties fall alike
        with np.errstate(over="ignore"):  # to infinity, which is then clipped
            steps = np.round(value.astype(np.float32) / scale.astype(np.float32))
        return QuantConstant(np.clip(steps, grid.low, grid.high).astype(np.int64), scale, grid.bits)
