# SPDX-License-Identifier: Apache-2.0
"""One form for all ways to write the same graph: constants are initializers, no node passes a value on.

Exporters and tools write constants as nodes, fold or unfold their shapes, and leave Identity nodes behind.
The rules of `qonnx` see none of that.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import ModelProto, NodeProto, numpy_helper
from onnx.reference import ReferenceEvaluator

from peritus.frontends.errors import UnsupportedLayerError, unsupported
from peritus.frontends.operators import STANDARD

Constants = Mapping[str, npt.NDArray[Any]]
OPSETS = (18, onnx.defs.onnx_opset_version())  # axes of reductions are inputs from 18 on
# Of constants alone they give constants; none makes more values than it is given.
FOLDED = ("Identity", "Reshape", "Transpose", "Squeeze", "Unsqueeze", "Cast")


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


def normalized(model: ModelProto) -> tuple[list[NodeProto], dict[str, npt.NDArray[Any]], dict[str, str]]:
    """Nodes in topological order, constants by name, and aliases: output of an Identity -> its input.

    The model itself is not changed.

    Raises:
        UnsupportedLayerError: a constant cannot be read; names it.
    """
    constants = {tensor.name: _array(tensor.name, tensor) for tensor in model.graph.initializer}
    aliases: dict[str, str] = {}
    nodes: list[NodeProto] = []
    for original in model.graph.node:
        node = NodeProto()
        node.CopyFrom(original)
        node.input[:] = [aliases.get(name, name) for name in node.input]
        if node.domain in STANDARD and node.op_type == "Constant":
            constants[node.output[0]] = _constant(node)
        elif node.domain in STANDARD and node.op_type == "Identity":
            aliases[node.output[0]] = node.input[0]
        elif node.domain in STANDARD and node.op_type in FOLDED and all(n in constants for n in node.input):
            constants[node.output[0]] = _fold(node, constants, model)
        else:
            nodes.append(node)
    return nodes, constants, aliases


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
    names = list(dict.fromkeys(node.input))
    inputs = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.UNDEFINED, None) for name in names]
    output = onnx.helper.make_tensor_value_info(node.output[0], onnx.TensorProto.UNDEFINED, None)
    graph = onnx.helper.make_graph([node], "constant", inputs, [output])
    single = onnx.helper.make_model(graph, opset_imports=list(model.opset_import))
    try:
        (value,) = ReferenceEvaluator(single).run(None, {name: constants[name] for name in names})
    except Exception as error:  # whatever numpy says of these values
        raise unsupported(node, f"cannot be computed: {error}") from None
    return np.asarray(value)
