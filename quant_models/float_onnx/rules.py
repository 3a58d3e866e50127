# SPDX-License-Identifier: Apache-2.0
"""What each operator makes of `values`: one function per operator, and one for all that only move data.

Operators that move data are executed, by ONNX Runtime, on the indices of a view: every attribute that they
have counts as it does there. The others use each of their attributes or answer with `Unknown`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, helper

from peritus.schema import cause
from quant_models.float_onnx.graph import FloatGraph, label, open_session
from quant_models.float_onnx.values import (
    Activated,
    Constant,
    ErfStep,
    Floats,
    Heads,
    Index,
    Linear,
    Mixed,
    Norm,
    NormStep,
    Pixels,
    Rows,
    Scores,
    Stream,
    Tokens,
    Unknown,
    Value,
)

# Constants in float32 files: this close is the same number.
CLOSE = 1e-5
MOVES = (
    "Expand", "Flatten", "Gather", "Identity", "Reshape", "Slice", "Split", "Squeeze", "Transpose",
    "Unsqueeze",
)  # fmt: skip
_READS_STREAM = ("ReduceMean", "Sub", "LayerNormalization")
Operand = Value | Constant
Attributes = Mapping[str, Any]


class _NotOursError(Exception):
    """A rule does not apply; the message says why."""


@dataclass(frozen=True, eq=False)
class _Call:
    """One node with what its inputs are; shape: of its first output."""

    node: NodeProto
    operands: Sequence[Operand | None]
    attributes: Attributes
    shape: tuple[int, ...]


def interpret(graph: FloatGraph) -> dict[str, Value]:
    """The value of every live tensor of a file."""
    channels = graph.shape[1]
    found: dict[str, Value] = {graph.image: Pixels(np.ones(channels), np.zeros(channels))}
    for node in graph.nodes:
        live = [name for name in node.input if name in graph.live]
        if node.op_type in _READS_STREAM or (node.op_type == "Add" and len(live) == 2):
            found |= {name: _as_stream(found[name], name) for name in live}
        operands = [
            found[name] if name in graph.live else graph.values[name] if name else None for name in node.input
        ]
        for name, value in zip(node.output, _apply(node, operands, graph), strict=False):
            found[name] = value
    return found


def _apply(node: NodeProto, operands: Sequence[Operand | None], graph: FloatGraph) -> Sequence[Value]:
    unknown = next((value for value in operands if isinstance(value, Unknown)), None)
    if unknown is not None:
        return [unknown] * len(node.output)
    values = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    try:
        if node.op_type in MOVES and isinstance(operands[0], Rows):
            return _move(node, operands[0], operands[1:], graph)
        if node.op_type not in _RULES:
            raise _NotOursError("the operator is no part of a vision transformer's block")
        return [_RULES[node.op_type](_Call(node, operands, values, graph.values[node.output[0]].shape))]
    except (_NotOursError, ValueError) as reason:  # ValueError: shapes that no rule expects
        return [Unknown(f"{label(node)}: {reason}")] * len(node.output)


def _as_stream(value: Value, name: str) -> Value:
    """Tokens that a block reads are the residual stream before the first one."""
    if isinstance(value, Rows) and isinstance(value.base, Tokens) and value.whole and value.scale == 1:
        return Rows.all_of(Stream(name, value.base, ()), value.index.shape[:-2])
    return value


def _move(
    node: NodeProto, rows: Rows, others: Sequence[Operand | None], graph: FloatGraph
) -> Sequence[Value]:
    if any(other is not None and not isinstance(other, np.ndarray) for other in others):
        raise _NotOursError("moves data as pixels say, expected constants")
    moved = NodeProto()
    moved.CopyFrom(node)
    inputs = [helper.make_tensor_value_info(node.input[0], TensorProto.INT64, rows.index.shape)]
    constants = [
        onnx.numpy_helper.from_array(other, name)
        for name, other in zip(node.input[1:], others, strict=True)
        if isinstance(other, np.ndarray)
    ]
    outputs = [helper.make_tensor_value_info(name, TensorProto.INT64, None) for name in node.output if name]
    model = helper.make_model(
        helper.make_graph([moved], "move", inputs, outputs, constants),
        opset_imports=graph.model.opset_import,
        ir_version=graph.model.ir_version,
    )
    try:
        found = open_session(model).run(None, {node.input[0]: rows.index})
    except Exception as error:  # its classes have no common base; the batch may have been taken off
        raise _NotOursError(
            f"ONNX Runtime does not move {list(rows.index.shape)} so: {cause(error)}"
        ) from error
    return [rows.moved(index) for index in found]


# --- views and layers ---


def _scalar(value: Operand | None) -> float | None:
    """The number that a constant holds everywhere; None if it holds more than one, or is none."""
    if not isinstance(value, np.ndarray) or value.size == 0:
        return None
    first = float(value.flat[0])
    return first if bool((value == value.flat[0]).all()) else None


def _close(a: float, b: float) -> bool:
    return math.isclose(a, b, rel_tol=CLOSE)


def _columns(rows: Rows) -> tuple[Index, Index]:
    """(row of each vector, column of each place in it) of a view whose last axis runs over columns."""
    width = rows.base.shape[1]
    vectors = rows.index.reshape(-1, rows.index.shape[-1])
    columns, first = vectors[0] % width, vectors[:, 0] // width
    if not np.array_equal(vectors, first[:, None] * width + columns[None]):
        raise _NotOursError("mixes tokens and channels")
    return first, columns


def _per_column(rows: Rows, constant: Constant) -> tuple[Index, Floats]:
    """A constant that is added or multiplied, as (columns that it meets, one number for each)."""
    try:
        spread = np.broadcast_to(constant.astype(np.float64), rows.index.shape)
    except ValueError:
        raise _NotOursError(f"a constant of shape {constant.shape} on {rows.index.shape}") from None
    columns = rows.index.ravel() % rows.base.shape[1]
    met, where = np.unique(columns, return_index=True)
    values = np.zeros(rows.base.shape[1])
    values[met] = spread.ravel()[where]
    if not np.array_equal(values[columns], spread.ravel()):
        raise _NotOursError("a constant that differs from token to token")
    return met, values


def _layer(rows: Rows) -> Linear:
    """The layer that a view is of, with the view's factor in it."""
    if not isinstance(rows.base, Linear):
        raise _NotOursError("expected the result of a linear layer")
    return replace(rows.base, weight=rows.base.weight * rows.scale, bias=rows.base.bias * rows.scale)


def _heads(rows: Rows, *, transposed: bool = False) -> Heads:
    """Heads of queries, keys or values, (..., tokens, width)."""
    layer = _layer(rows)
    tokens, width = layer.shape
    index = rows.index.swapaxes(-1, -2) if transposed else rows.index
    if index.ndim < 3 or index.shape[-2] != tokens:
        raise _NotOursError(f"{rows.index.shape} of {tokens} tokens are no heads of attention")
    index = index.reshape(-1, *index.shape[-2:])
    columns = index[:, 0, :] % width
    if not np.array_equal(index, np.arange(tokens)[None, :, None] * width + columns[:, None, :]):
        raise _NotOursError("heads that mix tokens")
    return Heads(layer, columns)


# --- operators ---


def _conv(c: _Call) -> Value:
    image, weight, *rest = c.operands
    if not isinstance(image, Pixels) or not isinstance(weight, np.ndarray):
        raise _NotOursError("expected a convolution of the image with constant weights")
    bias = rest[0] if rest and isinstance(rest[0], np.ndarray) else np.zeros(len(weight))
    size = list(weight.shape[2:])
    plain = {
        "group": 1, "dilations": [1, 1], "pads": [0] * 4, "auto_pad": b"NOTSET", "strides": size,
        "kernel_shape": size,
    }  # fmt: skip
    found = {"strides": [1, 1], **dict(c.attributes)}
    if found.get("auto_pad") == b"VALID":  # no padding either
        del found["auto_pad"]
    for name, value in found.items():
        if name not in plain or (list(value) if isinstance(value, list) else value) != plain[name]:
            raise _NotOursError(f"{name} = {value}, expected patches side by side")
    if weight.ndim != 4 or size[0] != size[1]:
        raise _NotOursError(f"patches of {size}, expected squares")
    exact = weight.astype(np.float64)
    bias = bias.astype(np.float64) + (exact * image.offset[:, None, None]).sum(axis=(1, 2, 3))
    _, d, height, width = c.shape
    base = Tokens(exact * image.factor[:, None, None], bias, np.zeros((height * width, d)), 0)
    return Rows(base, np.arange(height * width * d).reshape(height * width, d).T.reshape(1, d, height, width))


def _add(c: _Call) -> Value:
    a, b = c.operands
    if isinstance(a, np.ndarray):
        a, b = b, a
    if isinstance(b, np.ndarray):
        return _add_constant(a, b)
    if isinstance(a, Rows) and isinstance(b, Rows):
        if not isinstance(a.base, Stream):
            a, b = b, a
        if isinstance(a.base, Stream) and isinstance(b.base, Linear) and a.whole and b.whole and a.scale == 1:
            layers = (*a.base.layers, _layer(b))
            return Rows.all_of(Stream(c.node.output[0], a.base.tokens, layers), a.index.shape[:-2])
    raise _NotOursError("expected a layer's result added to the residual stream")


def _add_constant(value: Operand | None, constant: Constant) -> Value:
    number = _scalar(constant)
    match value:
        case Pixels():
            return replace(value, offset=value.offset + _per_channel(constant, len(value.offset)))
        case Rows(base=Tokens() as base) if value.scale == 1 and value.index.size == base.constant.size:
            table = base.constant.copy()
            table.flat[value.index.ravel()] += np.broadcast_to(constant, value.index.shape).ravel()
            return replace(value, base=replace(base, constant=table))
        case Rows(base=Norm() | Linear() as base):
            _, added = _per_column(value, constant)
            changed = (
                replace(base, beta=base.beta + added / value.scale)
                if isinstance(base, Norm)
                else replace(base, bias=base.bias + added / value.scale)
            )
            return replace(value, base=changed)
        case Scores(likely=False) if number == 0:
            return value
        case NormStep(step="variance") if number is not None:
            return replace(value, step="biased", epsilon=number)
        case ErfStep(shifted=False) if number is not None and _close(number, value.factor):
            return _gelu(replace(value, shifted=True))
    raise _NotOursError("a constant is added where no layer has one")


def _per_channel(constant: Constant, channels: int) -> Floats:
    """A constant on an image (1, C, H, W), one number per channel."""
    try:
        spread = np.broadcast_to(constant.astype(np.float64), (1, channels, 1, 1))
    except ValueError:
        raise _NotOursError(
            f"a constant of shape {constant.shape} on the image, expected one per channel"
        ) from None
    return spread.reshape(channels)


def _sub(c: _Call) -> Value:
    a, b = c.operands
    if isinstance(b, np.ndarray):
        return _add_constant(a, -b)
    if (
        isinstance(a, Rows)
        and isinstance(b, NormStep)
        and a.base is b.stream
        and b.step == "mean"
        and a.whole
    ):
        return replace(b, step="centered")
    raise _NotOursError("expected a LayerNorm's mean taken off, or a constant")


def _mul(c: _Call) -> Value:
    a, b = c.operands
    if isinstance(a, np.ndarray):
        a, b = b, a
    if isinstance(b, np.ndarray):
        return _scaled(a, b.astype(np.float64))
    match a, b:
        case (NormStep(), NormStep()) if a.stream is b.stream:
            steps = {a.step, b.step}
            if steps == {"centered"}:
                return replace(a, step="squared")
            if steps == {"centered", "inverse"}:
                return _normed(a.stream, max(a.epsilon, b.epsilon))
        case (ErfStep() as step, Rows() as x) | (Rows() as x, ErfStep() as step):
            same = x.base is step.x.base and np.array_equal(x.index, step.x.index)
            if same and step.shifted and not step.by_x:
                return _gelu(replace(step, factor=step.factor * x.scale, by_x=True))
    raise _NotOursError("expected a factor, or a part of LayerNorm or GELU")


def _scaled(value: Operand | None, constant: Constant) -> Value:
    number = _scalar(constant)
    match value:
        case Pixels():
            factor = _per_channel(constant, len(value.factor))
            return Pixels(value.factor * factor, value.offset * factor)
        case Rows() if number is not None:
            return replace(value, scale=value.scale * number)
        case Rows(base=Norm() | Linear() as base):
            met, found = _per_column(value, constant)
            factor = np.ones(base.shape[1])
            factor[met] = found[met]
            changed = (
                replace(base, gamma=base.gamma * factor, beta=base.beta * factor)
                if isinstance(base, Norm)
                else replace(base, weight=base.weight * factor[:, None], bias=base.bias * factor)
            )
            return replace(value, base=changed)
        case Scores(likely=False) if number is not None:
            return replace(value, scale=value.scale * number)
        case ErfStep() if number is not None:
            return _gelu(replace(value, factor=value.factor * number))
    raise _NotOursError("a factor where no layer has one")


def _div(c: _Call) -> Value:
    a, b = c.operands
    if isinstance(b, np.ndarray):
        if not b.all():
            raise _NotOursError("divides by zero")
        return _scaled(a, np.asarray(1 / b.astype(np.float64)))
    if isinstance(a, NormStep) and isinstance(b, NormStep):
        same = a.stream is b.stream
        if same and (a.step, b.step) == ("centered", "deviation"):
            return _normed(a.stream, b.epsilon)
    raise _NotOursError("expected a division by a constant or by a LayerNorm's deviation")


def _normed(stream: Stream, epsilon: float) -> Rows:
    d = stream.shape[1]
    return Rows.all_of(Norm(stream, epsilon, np.ones(d), np.zeros(d)))


def _pow(c: _Call) -> Value:
    base, power = c.operands
    exponent = _scalar(power)
    match base:
        case NormStep(step="centered") if exponent == 2:
            return replace(base, step="squared")
        case NormStep(step="biased") if exponent == 0.5:
            return replace(base, step="deviation")
        case NormStep(step="biased") if exponent == -0.5:
            return replace(base, step="inverse")
    raise _NotOursError(f"a power of {exponent} outside of a LayerNorm")


def _sqrt(c: _Call) -> Value:
    (value,) = c.operands
    if isinstance(value, NormStep) and value.step == "biased":
        return replace(value, step="deviation")
    raise _NotOursError("a root outside of a LayerNorm")


def _reciprocal(c: _Call) -> Value:
    (value,) = c.operands
    if isinstance(value, NormStep) and value.step == "deviation":
        return replace(value, step="inverse")
    raise _NotOursError("a reciprocal outside of a LayerNorm")


def _reduce_mean(c: _Call) -> Value:
    value, *rest = c.operands
    axes = rest[0].ravel().tolist() if rest and isinstance(rest[0], np.ndarray) else c.attributes.get("axes")
    rank = value.index.ndim if isinstance(value, Rows) else 3
    if axes is None or [axis % rank for axis in axes] != [rank - 1] or c.attributes.get("keepdims", 1) != 1:
        raise _NotOursError(f"a mean over axes {axes}, expected a LayerNorm's over the last one, which stays")
    match value:
        case Rows(base=Stream() as stream) if value.whole and value.scale == 1:
            return NormStep(stream, "mean")
        case NormStep(step="squared"):
            return replace(value, step="variance")
    raise _NotOursError("a mean outside of a LayerNorm of the residual stream")


def _layer_norm(c: _Call) -> Value:
    x, gamma, *rest = c.operands
    if not (isinstance(x, Rows) and isinstance(x.base, Stream) and x.whole and x.scale == 1):
        raise _NotOursError("expected a norm of the whole residual stream")
    d = x.base.shape[1]
    beta = rest[0] if rest and rest[0] is not None else np.zeros(d)
    if c.attributes.get("axis", -1) not in (-1, x.index.ndim - 1):
        raise _NotOursError(f"axis = {c.attributes['axis']}, expected the last one")
    if (
        not isinstance(gamma, np.ndarray)
        or not isinstance(beta, np.ndarray)
        or (gamma.shape, beta.shape) != ((d,), (d,))
    ):
        raise _NotOursError("expected one constant factor and offset per channel")
    norm = Norm(
        x.base, c.attributes.get("epsilon", 1e-5), gamma.astype(np.float64), beta.astype(np.float64).ravel()
    )
    return Rows.all_of(norm, x.index.shape[:-2])


def _matmul(c: _Call) -> Value:
    a, b = c.operands
    match a, b:
        case (Rows(), np.ndarray()):
            return _product(a, b)
        case (Rows(), Rows()):
            query, key = _heads(a), _heads(b, transposed=True)
            if query.columns.shape != key.columns.shape:
                raise _NotOursError(f"{query.columns.shape} query and {key.columns.shape} key channels")
            shape = (*a.index.shape[:-1], b.index.shape[-1])
            return Scores(query, key, 1.0, shape)
        case (Scores(likely=True), Rows()):
            value = _heads(b)
            heads, width = value.columns.shape
            if heads != len(a.query.columns):
                raise _NotOursError(f"{heads} heads of values, {len(a.query.columns)} of queries")
            tokens = value.layer.shape[0]
            index = np.arange(tokens * heads * width).reshape(tokens, heads, width).transpose(1, 0, 2)
            return Rows(Mixed(a.query, a.key, value, a.scale), index.reshape(b.index.shape))
    raise _NotOursError("expected a layer's weights, or attention's two products")


def _product(x: Rows, weight: Constant) -> Rows:
    """x W: a linear layer on norms, activations or mixed values."""
    if isinstance(x.base, Linear | Stream | Tokens):
        kind = {Linear: "another linear layer", Stream: "the residual stream", Tokens: "the patches"}[
            type(x.base)
        ]
        raise _NotOursError(f"a linear layer right behind {kind}")
    if weight.ndim != 2:
        raise _NotOursError(f"weights of shape {weight.shape}, expected a matrix")
    rows, columns = _columns(x)
    matrix = np.zeros((weight.shape[1], x.base.shape[1]))
    matrix[:, columns] = weight.T.astype(np.float64) * x.scale
    base = Linear(x.base, matrix, np.zeros(len(matrix)))
    index = rows[:, None] * len(matrix) + np.arange(len(matrix))
    return Rows(base, index.reshape(*x.index.shape[:-1], len(matrix)))


def _gemm(c: _Call) -> Value:
    x, weight, *rest = c.operands
    if not isinstance(x, Rows) or not isinstance(weight, np.ndarray) or c.attributes.get("transA", 0):
        raise _NotOursError("expected rows times constant weights")
    product = _product(x, weight.T if c.attributes.get("transB", 0) else weight)
    scaled = _scaled(product, np.array(c.attributes.get("alpha", 1.0)))
    bias = rest[0] if rest else None
    if bias is None:
        return scaled
    if not isinstance(bias, np.ndarray):
        raise _NotOursError("expected constant biases")
    return _add_constant(scaled, bias * c.attributes.get("beta", 1.0))


def _softmax(c: _Call) -> Value:
    (value,) = c.operands
    if not isinstance(value, Scores) or value.likely:
        raise _NotOursError("a softmax of no attention scores")
    if c.attributes.get("axis", -1) not in (-1, len(value.shape) - 1):
        raise _NotOursError(f"axis = {c.attributes['axis']}, expected that of the keys, the last one")
    return replace(value, likely=True)


def _erf(c: _Call) -> Value:
    (value,) = c.operands
    if not isinstance(value, Rows) or not isinstance(value.base, Linear):
        raise _NotOursError("expected the error function of a layer's result")
    return ErfStep(replace(value, scale=1.0), value.scale)


def _gelu(step: ErfStep) -> Value:
    """GELU x / 2 (1 + erf(x / sqrt 2)), if the step is all of it."""
    if not (step.shifted and step.by_x and _close(step.factor, 0.5)):
        return step
    if not _close(step.scale, math.sqrt(0.5)):
        raise _NotOursError(f"erf of {step.scale:.6f} x, expected x / sqrt 2")
    return _activated(step.x, "gelu")


def _activated(x: Operand | None, function: str) -> Rows:
    if not isinstance(x, Rows) or not isinstance(x.base, Linear):
        raise _NotOursError("expected the activation of a layer's result")
    return Rows(Activated(_layer(x), function), x.index)


def _gelu_operator(c: _Call) -> Value:
    if c.attributes.get("approximate", b"none") != b"none":
        raise _NotOursError(f"approximate = {c.attributes['approximate']!r}, expected the exact GELU")
    return _activated(c.operands[0], "gelu")


def _relu(c: _Call) -> Value:
    return _activated(c.operands[0], "relu")


def _concat(c: _Call) -> Value:
    views = [value for value in c.operands if isinstance(value, Rows)]
    if not views:
        raise _NotOursError("joins what are no tokens")
    rank, axis = views[0].index.ndim, c.attributes["axis"]
    if len(views) == len(c.operands) and all(
        v.base is views[0].base and v.scale == views[0].scale for v in views
    ):
        return views[0].moved(np.concatenate([view.index for view in views], axis))
    if axis % rank != rank - 2:
        raise _NotOursError(f"joins along axis {axis}, expected tokens")
    tables: list[Floats] = []
    bases: list[Tokens] = []
    prefix = 0
    for value in c.operands:
        table, base = _token_table(value)
        if base is not None:
            prefix = sum(len(other) for other in tables) + len(table) - (len(base.constant) - base.prefix)
            bases.append(base)
        elif bases:
            raise _NotOursError("tokens behind the patches, expected them in front")
        tables.append(table)
    if len(bases) != 1:
        raise _NotOursError("joins no patches, or patches twice")
    base = replace(bases[0], constant=np.concatenate(tables), prefix=prefix)
    return Rows.all_of(base, views[0].index.shape[:-2])


def _token_table(value: Operand | None) -> tuple[Floats, Tokens | None]:
    """Constant part of tokens that are joined, and what they are of if the patches are among them."""
    if isinstance(value, np.ndarray):
        return value.reshape(-1, value.shape[-1]).astype(np.float64), None
    if not isinstance(value, Rows) or not isinstance(value.base, Tokens) or value.scale != 1:
        raise _NotOursError("expected constant tokens and patches")
    rows, columns = _columns(value)
    base = value.base
    if not np.array_equal(columns, np.arange(base.shape[1])):
        raise _NotOursError("expected all channels of the tokens")
    table = base.constant[rows]
    if (rows < base.prefix).all():
        return table, None
    if not np.array_equal(rows, np.arange(rows[0], len(base.constant))) or rows[0] > base.prefix:
        raise _NotOursError("expected all patches, in order")
    return table, base


def _cast(c: _Call) -> Value:
    (value,) = c.operands
    if c.attributes["to"] not in (TensorProto.FLOAT, TensorProto.DOUBLE):
        raise _NotOursError(f"casts to type {c.attributes['to']}, expected float32")
    return _same(value)


def _same(value: Operand | None) -> Value:
    assert value is not None and not isinstance(value, np.ndarray)
    return value


def _dropout(c: _Call) -> Value:
    training = c.operands[2] if len(c.operands) > 2 else None
    if isinstance(training, np.ndarray) and training.any():
        raise _NotOursError("drops values: the file is in training mode")
    return _same(c.operands[0])


_RULES: Mapping[str, Callable[[_Call], Value]] = {
    "Add": _add,
    "Cast": _cast,
    "Concat": _concat,
    "Conv": _conv,
    "Div": _div,
    "Dropout": _dropout,
    "Erf": _erf,
    "Gelu": _gelu_operator,
    "Gemm": _gemm,
    "Identity": lambda c: _same(c.operands[0]),
    "LayerNormalization": _layer_norm,
    "MatMul": _matmul,
    "Mul": _mul,
    "Pow": _pow,
    "ReduceMean": _reduce_mean,
    "Reciprocal": _reciprocal,
    "Relu": _relu,
    "Softmax": _softmax,
    "Sqrt": _sqrt,
    "Sub": _sub,
}
