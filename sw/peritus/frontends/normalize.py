# SPDX-License-Identifier: Apache-2.0
"""One form for all ways to write the same graph: constants are initializers, no node passes a value on.

Exporters and tools write constants as nodes, fold or unfold their shapes, and leave Identity nodes behind.
A GELU that is spelled out is one operator (`gelu`). The rules of `qonnx` see none of that.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import ModelProto, NodeProto, numpy_helper
from onnx.reference import ReferenceEvaluator

from peritus.frontends.errors import UnsupportedLayerError, unsupported
from peritus.frontends.gelu import GeluReader
from peritus.frontends.operators import STANDARD
from peritus.frontends.shapes import Shape, infer_shapes

Constants = Mapping[str, npt.NDArray[Any]]
OPSETS = (18, onnx.defs.onnx_opset_version())  # axes of reductions are inputs from 18 on
# Of constants alone they give constants: shapes that an exporter computes, tokens that it repeats.
TARGETED = ("Expand", "ConstantOfShape")  # the last input is the shape of the result
GROWING = ("Add", "Sub", "Mul", "Div", "Equal", "Where", *TARGETED)
FOLDED = (
    *(
        "Identity",
        "Reshape",
        "Transpose",
        "Squeeze",
        "Unsqueeze",
        "Cast",
        "Slice",
        "Gather",
        "Concat",
        "Sqrt",
    ),
    *GROWING,
)
MAX_FOLDED = 1 << 24  # values that a GROWING operator may make of constants


def check(model: ModelProto) -> None:
    """Refuse what is no valid ONNX model, or of an operator set that is not read.

    Raises:
        UnsupportedLayerError: with the checker's reason.
    """
    for entry in model.opset_import:
        low, high = OPSETS
        if entry.domain in STANDARD and not low <= entry.version <= high:
            raise UnsupportedLayerError(
                f"the file has ONNX operator set {entry.version}, expected {low} to {high}: "
                f"export it again, or convert it with onnx.version_converter"
            )
    try:
        onnx.checker.check_model(model)
    except (onnx.checker.ValidationError, ValueError, TypeError, RuntimeError) as error:
        reason = str(error).strip().splitlines()
        raise UnsupportedLayerError(
            f"the file is no valid ONNX model: {reason[0] if reason else error}"
        ) from None


@dataclass
class Normalized:
    """nodes: in topological order. constants: by name. aliases: output of an Identity -> its input.
    shapes: of every tensor for which they follow from inputs and constants. parts: tensors inside of a
    spelled-out GELU -> its result."""

    nodes: list[NodeProto]
    constants: dict[str, npt.NDArray[Any]]
    aliases: dict[str, str]
    shapes: dict[str, Shape]
    parts: dict[str, str]

    def integers(self, tensor: str) -> npt.NDArray[np.int64]:
        """Value of a constant of an integer type."""
        if tensor not in self.constants:
            raise UnsupportedLayerError(f"tensor {tensor!r} must be a constant")
        value = self.constants[tensor]
        if not np.issubdtype(value.dtype, np.integer):
            raise UnsupportedLayerError(f"tensor {tensor!r} is {value.dtype}, expected integers")
        return value.astype(np.int64)


def normalized(model: ModelProto) -> Normalized:
    """The graph without what is known before it runs. The model itself is not changed.

    Raises:
        UnsupportedLayerError: a constant cannot be read, shapes do not fit, or a node breaks the contract of
        its operator; names it.
    """
    constants = {tensor.name: _array(tensor.name, tensor) for tensor in model.graph.initializer}
    shapes = {info.name: _declared(info) for info in model.graph.input if info.name not in constants}
    gelu = GeluReader(constants)
    found = Normalized([], constants, {}, shapes, gelu.parts)
    shapes |= {name: value.shape for name, value in constants.items()}
    for original in model.graph.node:
        node = NodeProto()
        node.CopyFrom(original)
        node.input[:] = [found.aliases.get(name, name) for name in node.input]
        value: npt.NDArray[Any] | None = None
        if node.domain in STANDARD and node.op_type == "Identity":
            found.aliases[node.output[0]] = node.input[0]
            continue
        if node.domain in STANDARD and node.op_type == "Constant":
            value = _constant(node)
        elif node.domain in STANDARD and node.op_type == "Shape" and node.input[0] in shapes:
            value = _shape(node, shapes[node.input[0]])
        elif node.domain in STANDARD and _is_constant(node, found):
            value = _fold(node, constants, model)
        if value is None:
            node = gelu.read(node)
            found.nodes.append(node)
            infer_shapes(node, shapes, found.integers)
        else:
            constants[node.output[0]] = value
            shapes[node.output[0]] = value.shape
    return found


def _declared(info: onnx.ValueInfoProto) -> Shape:
    """Declared shape of a graph input; a batch that is left open is 1, nothing else may be."""
    extents = [d.dim_value for d in info.type.tensor_type.shape.dim]
    if len(extents) > 1 and extents[0] == 0:
        extents[0] = 1
    for index, dim in enumerate(info.type.tensor_type.shape.dim):
        if extents[index] <= 0:
            raise UnsupportedLayerError(
                f"input {info.name!r}: dimension {index} is {dim.dim_param or extents[index]!r}, must be a "
                "positive number: export the network with images of one size"
            )
    return tuple(extents)


def _is_constant(node: NodeProto, found: Normalized) -> bool:
    """Can the node be computed now, and is what it makes of a sensible size?"""
    if node.op_type not in FOLDED or len(node.output) != 1:
        return False
    if not all(name in found.constants for name in node.input if name):
        return False
    if node.op_type in GROWING:
        sizes = [found.constants[name].size for name in node.input if name]
        target = found.constants[node.input[-1]]
        growth = math.prod(int(v) for v in target.ravel()) if node.op_type in TARGETED else math.prod(sizes)
        return 0 <= growth <= MAX_FOLDED
    return True


def _shape(node: NodeProto, shape: Shape) -> npt.NDArray[np.int64]:
    bounds = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    if set(bounds) - {"start", "end"}:
        raise unsupported(node, f"attributes {sorted(bounds)}, expected start and end at most")
    return np.array(shape[bounds.get("start", 0) : bounds.get("end")], np.int64)


def _array(name: str, tensor: onnx.TensorProto) -> npt.NDArray[Any]:
    try:
        return numpy_helper.to_array(tensor)
    except (ValueError, TypeError, KeyError, OSError) as error:
        raise UnsupportedLayerError(f"tensor {name!r} cannot be read: {error}") from None


def _constant(node: NodeProto) -> npt.NDArray[Any]:
    if len(node.attribute) == 1:
        name, value = node.attribute[0].name, onnx.helper.get_attribute_value(node.attribute[0])
        if name == "value":
            return _array(node.output[0], value)
        if name in ("value_float", "value_floats"):
            return np.asarray(value, np.float32)
        if name in ("value_int", "value_ints"):
            return np.asarray(value, np.int64)
    raise unsupported(node, f"attributes {[a.name for a in node.attribute]}, expected one numeric value")


def _fold(node: NodeProto, constants: Constants, model: ModelProto) -> npt.NDArray[Any]:
    names = list(dict.fromkeys(filter(None, node.input)))
    inputs = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.UNDEFINED, None) for name in names]
    output = onnx.helper.make_tensor_value_info(node.output[0], onnx.TensorProto.UNDEFINED, None)
    graph = onnx.helper.make_graph([node], "constant", inputs, [output])
    single = onnx.helper.make_model(graph, opset_imports=list(model.opset_import))
    try:
        (value,) = ReferenceEvaluator(single).run(None, {name: constants[name] for name in names})
    except Exception as error:  # whatever numpy says of these values
        raise unsupported(node, f"cannot be computed: {error}") from None
    return np.asarray(value)
