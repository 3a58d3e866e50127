# SPDX-License-Identifier: Apache-2.0
"""The contract of a QONNX file: which operators are read, and what each of their attributes may say.

A node is accepted when its domain, its numbers of inputs and outputs and every one of its attributes are; an
attribute is either used by the rule that reads the node (USED), or has one of the listed values. Nothing is
ignored.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from onnx import AttributeProto, NodeProto, helper

from peritus.frontends.errors import unsupported
from peritus.frontends.moe_format import DEFAULT_ACTIVATION, DOMAIN, MOE
from peritus.frontends.task_format import TASK
from peritus.reference import HIDDEN_ZERO_POINT


class _Mark(Enum):
    REQUIRED = "required"


REQUIRED = _Mark.REQUIRED
STANDARD = ("", "ai.onnx")
QUANT_DOMAINS = ("qonnx.custom_op.general", "onnx.brevitas", "finn.custom_op.general")
OURS = (DOMAIN,)
NEAREST_EVEN = ("ROUND", "HALF_EVEN")  # two names of one rounding

_TYPES: Mapping[type[Any], int] = {
    int: AttributeProto.INT,
    float: AttributeProto.FLOAT,
    str: AttributeProto.STRING,
    list: AttributeProto.INTS,
    tuple: AttributeProto.STRINGS,
}


@dataclass(frozen=True)
class Attribute:
    """type: int, float, str, list (of int) or tuple (of str). default: where it is left out, or REQUIRED.

    allowed: the values it may have; None: any, because the rule that reads the node uses it.
    """

    type: type[Any]
    default: Any
    allowed: tuple[Any, ...] | None = None


@dataclass(frozen=True)
class Operator:
    """inputs, outputs: fewest and most. names: of inputs without which a node says too little."""

    domains: tuple[str, ...]
    inputs: tuple[int, int]
    attributes: Mapping[str, Attribute] = field(default_factory=dict)
    outputs: tuple[int, int] = (1, 1)
    names: tuple[str, ...] = ()


_REDUCTION = {
    "keepdims": Attribute(int, 1, (1,)),
    "noop_with_empty_axes": Attribute(int, 0, (0, 1)),  # axes are never empty here
}

OPERATORS: Mapping[str, Operator] = {
    "Quant": Operator(
        QUANT_DOMAINS,
        (4, 4),
        {
            "signed": Attribute(int, REQUIRED, (0, 1)),
            "narrow": Attribute(int, REQUIRED, (0, 1)),
            "rounding_mode": Attribute(str, "ROUND", NEAREST_EVEN),
        },
        names=("tensor", "scale", "zero point", "bit width"),
    ),
    "Conv": Operator(
        STANDARD,
        (2, 3),
        {
            "auto_pad": Attribute(str, "NOTSET", ("NOTSET", "VALID")),
            "dilations": Attribute(list, [1, 1], ([1, 1],)),
            "group": Attribute(int, 1, (1,)),
            "kernel_shape": Attribute(list, []),
            "pads": Attribute(list, [0, 0, 0, 0], ([0, 0, 0, 0],)),
            "strides": Attribute(list, [1, 1]),
        },
    ),
    "LayerNormalization": Operator(
        STANDARD,
        (2, 3),
        {
            "axis": Attribute(int, -1, (-1, 2)),  # of tokens (1, N, d)
            "epsilon": Attribute(float, 1e-5),
            "stash_type": Attribute(int, 1, (1,)),
        },
    ),
    "Reshape": Operator(STANDARD, (2, 2), {"allowzero": Attribute(int, 0, (0, 1))}),
    "Transpose": Operator(STANDARD, (1, 1), {"perm": Attribute(list, REQUIRED)}),
    "Pad": Operator(STANDARD, (2, 4), {"mode": Attribute(str, "constant", ("constant",))}),
    "Gather": Operator(STANDARD, (2, 2), {"axis": Attribute(int, 0)}),
    "ReduceMax": Operator(STANDARD, (2, 2), _REDUCTION),
    "ReduceSum": Operator(STANDARD, (2, 2), _REDUCTION),
    "Slice": Operator(STANDARD, (3, 5)),
    "Split": Operator(
        STANDARD, (1, 2), {"axis": Attribute(int, 0), "num_outputs": Attribute(int, 0)}, outputs=(1, 64)
    ),
    "Squeeze": Operator(STANDARD, (1, 2)),
    "Unsqueeze": Operator(STANDARD, (2, 2)),
    "Flatten": Operator(STANDARD, (1, 1), {"axis": Attribute(int, 1)}),
    "Concat": Operator(STANDARD, (2, 2), {"axis": Attribute(int, REQUIRED)}),
    "Softmax": Operator(STANDARD, (1, 1), {"axis": Attribute(int, -1)}),
    "Gelu": Operator(STANDARD, (1, 1), {"approximate": Attribute(str, "none", ("none",))}),
    "Relu": Operator(STANDARD, (1, 1)),
    "Gemm": Operator(
        STANDARD,
        (2, 3),
        {
            "alpha": Attribute(float, 1.0, (1.0,)),
            "beta": Attribute(float, 1.0, (1.0,)),
            "transA": Attribute(int, 0, (0,)),
            "transB": Attribute(int, 0, (0, 1)),
        },
    ),
    **{name: Operator(STANDARD, (2, 2)) for name in ("Add", "Sub", "Mul", "Div", "Pow", "MatMul")},
    MOE: Operator(
        OURS,
        (7, 7),
        {
            "top_k": Attribute(int, REQUIRED),
            "residual_scale": Attribute(float, REQUIRED),
            "activation": Attribute(str, DEFAULT_ACTIVATION),
            "zero_point": Attribute(int, 0, (0, HIDDEN_ZERO_POINT)),
        },
    ),
    TASK: Operator(
        OURS,
        (1, 1),
        {
            "index": Attribute(int, REQUIRED),
            "name": Attribute(str, REQUIRED),
            "kind": Attribute(str, REQUIRED),
            "classes": Attribute(tuple, ()),
            "host": Attribute(list, []),
        },
    ),
}


def attributes(node: NodeProto) -> dict[str, Any]:
    """Every attribute of an accepted node, with the defaults of those left out.

    Raises:
        UnsupportedLayerError: the operator, its domain, its number of inputs or outputs, or an attribute is
        not of the contract; names the node and the value.
    """
    operator = OPERATORS.get(node.op_type)
    if operator is None:
        raise unsupported(node, "the operator is none of those that can be lowered")
    if node.domain not in operator.domains:
        expected = " or ".join(repr(domain) for domain in operator.domains)
        raise unsupported(node, f"domain {node.domain!r}, expected {expected}")
    for index, name in enumerate(operator.names):
        if index >= len(node.input) or not node.input[index]:
            raise unsupported(node, f"has no {name}: export the network again, or give it input {index}")
    fewest, most = operator.inputs
    if not (fewest <= len(node.input) <= most and all(node.input[:fewest])):
        expected = f"{fewest} to {most}" if fewest < most else f"{fewest}"
        raise unsupported(node, f"{sum(map(bool, node.input))} inputs, expected {expected}")
    fewest, most = operator.outputs
    if not (fewest <= len(node.output) <= most and all(node.output)):
        expected = f"{fewest} to {most}" if fewest < most else "one"
        raise unsupported(node, f"{len(node.output)} outputs, expected {expected}")
    values = {name: attribute.default for name, attribute in operator.attributes.items()}
    for found in node.attribute:
        values[found.name] = _value(node, operator, found)
    for name, value in values.items():
        if value is REQUIRED:
            raise unsupported(node, f"attribute {name!r} is missing")
    return values


def _value(node: NodeProto, operator: Operator, found: AttributeProto) -> Any:
    expected = operator.attributes.get(found.name)
    if expected is None:
        known = ", ".join(operator.attributes) or "none"
        raise unsupported(node, f"unknown attribute {found.name!r}; known: {known}")
    if found.type != _TYPES[expected.type] or found.ref_attr_name:
        raise unsupported(
            node, f"attribute {found.name!r} has the wrong type, expected {expected.type.__name__}"
        )
    value: Any = helper.get_attribute_value(found)
    try:
        if expected.type is str:
            value = value.decode()
        elif expected.type is tuple:
            value = tuple(item.decode() for item in value)
        elif expected.type is list:
            value = list(value)
    except UnicodeDecodeError:
        raise unsupported(node, f"attribute {found.name!r} is no UTF-8 text") from None
    if expected.allowed is not None and value not in expected.allowed:
        allowed = " or ".join(map(str, expected.allowed))
        raise unsupported(node, f"{found.name} = {value}, expected {allowed}")
    return value
