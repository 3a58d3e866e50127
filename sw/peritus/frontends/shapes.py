# SPDX-License-Identifier: Apache-2.0
"""Shapes of all tensors of a graph, from its inputs and constants; what a file declares is not needed.

One rule for each operator of `operators`. Outputs of other operators have no shape: whoever asks is told.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt
from onnx import NodeProto

from peritus.frontends.errors import unsupported
from peritus.frontends.moe_format import MOE
from peritus.frontends.operators import OPERATORS, attributes
from peritus.frontends.task_format import TASK

Shape = tuple[int, ...]
Constants = Callable[[str], npt.NDArray[np.int64]]  # values of a constant integer tensor


def infer_shapes(node: NodeProto, shapes: dict[str, Shape], integers: Constants) -> None:
    """Add the shapes of a node's outputs to those of its inputs, if it is of the contract and all are known.

    Raises:
        UnsupportedLayerError: shapes do not fit together, or the node breaks the contract of its operator.
    """
    rule = _RULES.get(node.op_type)
    inputs = [shapes.get(name) for name in node.input if name]
    if rule is None or node.domain not in OPERATORS[node.op_type].domains or None in inputs:
        return
    values = attributes(node)
    given = [shape for shape in inputs if shape is not None]
    try:
        found = rule(node, given, values, integers)
    except (ValueError, IndexError) as error:
        raise unsupported(node, f"shapes {given} do not fit: {error}") from None
    results = found if isinstance(found, list) else [found]
    for output, shape in zip(node.output, results, strict=True):
        if any(extent <= 0 for extent in shape):
            raise unsupported(node, f"shape {shape} of its output is empty")
        shapes[output] = shape


def _same(node: NodeProto, inputs: list[Shape], values: dict[str, object], integers: Constants) -> Shape:
    return inputs[0]


def _broadcast(node: NodeProto, inputs: list[Shape], values: dict[str, object], integers: Constants) -> Shape:
    return np.broadcast_shapes(*inputs)


def _quant(node: NodeProto, inputs: list[Shape], values: dict[str, object], integers: Constants) -> Shape:
    if np.broadcast_shapes(*inputs[:2]) != inputs[0]:
        raise ValueError(f"the scale is larger than the tensor {inputs[0]}")
    return inputs[0]


def _norm(node: NodeProto, inputs: list[Shape], values: dict[str, object], integers: Constants) -> Shape:
    if any(shape != inputs[0][-1:] for shape in inputs[1:]):
        raise ValueError("gamma and beta must have one value per channel")
    return inputs[0]


def _matmul(node: NodeProto, inputs: list[Shape], values: dict[str, object], integers: Constants) -> Shape:
    a, b = inputs
    if len(a) < 2 or len(b) < 2 or a[-1] != b[-2]:
        raise ValueError("no matrix product")
    return (*np.broadcast_shapes(a[:-2], b[:-2]), a[-2], b[-1])


def _conv(node: NodeProto, inputs: list[Shape], values: dict[str, object], integers: Constants) -> Shape:
    image, kernel = inputs[0], inputs[1]
    strides, kernel_shape = values["strides"], values["kernel_shape"]
    assert isinstance(strides, list) and isinstance(kernel_shape, list)
    if len(image) != 4 or len(kernel) != 4 or len(strides) != 2 or min(strides) < 1:
        raise ValueError("expected two spatial dimensions and strides of at least 1")
    if kernel[1] != image[1] or kernel_shape not in ([], list(kernel[2:])):
        raise ValueError(f"kernel {kernel_shape} for weights {kernel} on {image[1]} channels")
    if len(inputs) == 3 and inputs[2] != kernel[:1]:
        raise ValueError("the bias must have one value per output channel")
    rows, columns = ((image[2 + i] - kernel[2 + i]) // strides[i] + 1 for i in range(2))
    return image[0], kernel[0], rows, columns


def _reshape(node: NodeProto, inputs: list[Shape], values: dict[str, object], integers: Constants) -> Shape:
    source, target = inputs[0], [int(v) for v in integers(node.input[1]).ravel()]
    if not values["allowzero"]:
        target = [source[i] if extent == 0 else extent for i, extent in enumerate(target)]
    size = math.prod(source)
    if target.count(-1) == 1:
        rest = math.prod(extent for extent in target if extent != -1)
        target[target.index(-1)] = size // rest if rest > 0 else 0
    if min(target, default=1) < 1 or math.prod(target) != size:
        raise ValueError(f"cannot become {tuple(target)}")
    return tuple(target)


def _transpose(node: NodeProto, inputs: list[Shape], values: dict[str, object], integers: Constants) -> Shape:
    perm = values["perm"]
    assert isinstance(perm, list)
    if sorted(perm) != list(range(len(inputs[0]))):
        raise ValueError(f"perm {perm} is no permutation of its dimensions")
    return tuple(inputs[0][axis] for axis in perm)


def _pad(node: NodeProto, inputs: list[Shape], values: dict[str, object], integers: Constants) -> Shape:
    pads = integers(node.input[1]).ravel().tolist()
    rank = len(inputs[0])
    if len(pads) != 2 * rank:
        raise ValueError(f"{len(pads)} pads for {rank} dimensions")
    return tuple(extent + pads[i] + pads[rank + i] for i, extent in enumerate(inputs[0]))


def _gather(node: NodeProto, inputs: list[Shape], values: dict[str, object], integers: Constants) -> Shape:
    source, chosen = inputs
    axis = values["axis"]
    assert isinstance(axis, int)
    if not -len(source) <= axis < len(source):
        raise ValueError(f"no axis {axis}")
    axis %= len(source)
    return source[:axis] + chosen + source[axis + 1 :]


def _reduce(node: NodeProto, inputs: list[Shape], values: dict[str, object], integers: Constants) -> Shape:
    axes = integers(node.input[1]).ravel().tolist()
    if axes not in ([-1], [len(inputs[0]) - 1]):
        raise ValueError(f"axes {axes}, expected the last alone")
    return (*inputs[0][:-1], 1)


def slices(node: NodeProto, rank: int, integers: Constants) -> tuple[slice, ...]:
    """What a Slice with constant bounds takes of every dimension."""
    starts, ends = (integers(name).ravel().tolist() for name in node.input[1:3])
    optional = [integers(name).ravel().tolist() if name else None for name in node.input[3:]]
    axes = optional[0] if optional and optional[0] is not None else list(range(len(starts)))
    steps = optional[1] if len(optional) > 1 and optional[1] is not None else [1] * len(starts)
    taken = [slice(None)] * rank
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        taken[axis] = slice(start, end, step)
    return tuple(taken)


def _slice(node: NodeProto, inputs: list[Shape], values: dict[str, object], integers: Constants) -> Shape:
    shape = inputs[0]
    taken = slices(node, len(shape), integers)
    return tuple(len(range(*part.indices(extent))) for part, extent in zip(taken, shape, strict=True))


def _squeeze(node: NodeProto, inputs: list[Shape], values: dict[str, object], integers: Constants) -> Shape:
    shape = inputs[0]
    axes = _axes(node, integers, len(shape)) or [i for i, extent in enumerate(shape) if extent == 1]
    if any(shape[axis] != 1 for axis in axes):
        raise ValueError(f"axes {axes} are not all of extent 1")
    return tuple(extent for i, extent in enumerate(shape) if i not in axes)


def _unsqueeze(node: NodeProto, inputs: list[Shape], values: dict[str, object], integers: Constants) -> Shape:
    added = len(integers(node.input[1]).ravel())
    axes = _axes(node, integers, len(inputs[0]) + added)
    rest = iter(inputs[0])
    return tuple(1 if i in axes else next(rest) for i in range(len(inputs[0]) + added))


def _axes(node: NodeProto, integers: Constants, rank: int) -> list[int]:
    """Distinct axes of the second input, from 0."""
    given = integers(node.input[1]).ravel().tolist() if len(node.input) > 1 and node.input[1] else []
    axes = [axis % rank for axis in given]
    if len(set(axes)) != len(axes) or not all(-rank <= axis < rank for axis in given):
        raise ValueError(f"axes {given} of rank {rank}")
    return axes


def _flatten(node: NodeProto, inputs: list[Shape], values: dict[str, object], integers: Constants) -> Shape:
    axis = values["axis"]
    assert isinstance(axis, int)
    if not -len(inputs[0]) <= axis <= len(inputs[0]):
        raise ValueError(f"no axis {axis}")
    axis += len(inputs[0]) * (axis < 0)
    return math.prod(inputs[0][:axis]), math.prod(inputs[0][axis:])


def _split(
    node: NodeProto, inputs: list[Shape], values: dict[str, object], integers: Constants
) -> list[Shape]:
    axis, parts, shape = values["axis"], len(node.output), inputs[0]
    assert isinstance(axis, int)
    if not -len(shape) <= axis < len(shape):
        raise ValueError(f"no axis {axis}")
    if len(node.input) > 1 and node.input[1]:
        sizes = integers(node.input[1]).ravel().tolist()
    else:
        whole = -(-shape[axis] // parts)
        sizes = [min(whole, shape[axis] - whole * i) for i in range(parts)]
    if values["num_outputs"] not in (0, parts) or len(sizes) != parts or sum(sizes) != shape[axis]:
        raise ValueError(f"{parts} outputs of {sizes}")
    axis %= len(shape)
    return [(*shape[:axis], size, *shape[axis + 1 :]) for size in sizes]


def _concat(node: NodeProto, inputs: list[Shape], values: dict[str, object], integers: Constants) -> Shape:
    axis = values["axis"]
    assert isinstance(axis, int)
    if not -len(inputs[0]) <= axis < len(inputs[0]):
        raise ValueError(f"no axis {axis}")
    axis %= len(inputs[0])
    rests = {shape[:axis] + shape[axis + 1 :] for shape in inputs}
    if len(rests) > 1:
        raise ValueError(f"they differ beside axis {axis}")
    return (*inputs[0][:axis], sum(shape[axis] for shape in inputs), *inputs[0][axis + 1 :])


def _gemm(node: NodeProto, inputs: list[Shape], values: dict[str, object], integers: Constants) -> Shape:
    a, b = inputs[0], inputs[1][::-1] if values["transB"] else inputs[1]
    if len(a) != 2 or len(b) != 2 or a[1] != b[0]:
        raise ValueError("no matrix product")
    if len(inputs) > 2 and np.broadcast_shapes(inputs[2], (a[0], b[1])) != (a[0], b[1]):
        raise ValueError("the bias does not fit")
    return a[0], b[1]


def _moe(node: NodeProto, inputs: list[Shape], values: dict[str, object], integers: Constants) -> Shape:
    x, logits, w1, b1, factor, w2, b2 = inputs
    experts, hidden, width = w1 if len(w1) == 3 else (0, 0, 0)
    fits = (
        (width, logits) == (x[-1], (*x[:-1], experts))
        and b1 == factor == (experts, hidden)
        and (w2, b2) == ((experts, width, hidden), (experts, width))
    )
    if not fits:
        raise ValueError("x, logits, w1, b1, hidden_factor, w2, b2 are of different networks")
    return x


_Rule = Callable[[NodeProto, list[Shape], dict[str, object], Constants], Shape | list[Shape]]
_RULES: Mapping[str, _Rule] = {
    "Quant": _quant,
    "Conv": _conv,
    "LayerNormalization": _norm,
    "Reshape": _reshape,
    "Transpose": _transpose,
    "Pad": _pad,
    "Gather": _gather,
    "ReduceMax": _reduce,
    "ReduceSum": _reduce,
    "Slice": _slice,
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
    "Flatten": _flatten,
    "Split": _split,
    "Concat": _concat,
    "Gemm": _gemm,
    "MatMul": _matmul,
    MOE: _moe,
    **dict.fromkeys(("Gelu", "Relu", "Softmax", TASK), _same),
    **dict.fromkeys(("Add", "Sub", "Mul", "Div", "Pow"), _broadcast),
}
