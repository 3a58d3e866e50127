# SPDX-License-Identifier: Apache-2.0
"""What a tensor is of another one: its elements moved about, and multiplied by constants.

Reshape, Transpose, Slice, Gather, Split and their like compute nothing. Exporters write the same move in many
ways, so it is not matched: the places of all elements are sent through it, and what arrives is compared with
what is wanted.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import NodeProto

from peritus.frontends.onnx_graph import F64, I64, OnnxGraph
from peritus.frontends.operators import attributes
from peritus.frontends.shapes import slices

RESHAPES = ("Reshape", "Squeeze", "Unsqueeze", "Flatten")
MOVES = (*RESHAPES, "Transpose", "Gather", "Slice", "Split")


@dataclass(frozen=True)
class View:
    """tensor[i] = factor[i] * source.ravel()[index[i]]; index and factor have the tensor's shape."""

    source: str
    index: I64
    factor: F64

    @property
    def moved(self) -> bool:
        """Not every element of the source in its order."""
        return not np.array_equal(self.index.ravel(), np.arange(self.index.size))

    def then(self, outer: View) -> View:
        """`outer`, a view of the tensor that this one is, as a view of this one's source."""
        inner = self.index.ravel()[outer.index]
        return View(self.source, inner, self.factor.ravel()[outer.index] * outer.factor)


def view(g: OnnxGraph, tensor: str) -> View:
    """The tensor as a view of the first one, backwards, that something else than a move computes.

    Raises:
        UnsupportedLayerError: a node on the way breaks its contract, or the tensor has no known shape.
    """
    path: list[tuple[NodeProto, str]] = []
    while (node := g.find(tensor)) is not None:
        if node.op_type in MOVES and not _chosen_at_run_time(g, node):
            following = str(node.input[0])
        elif node.op_type in ("Mul", "Div") and _by_constant(g, node) is not None:
            following = str(_by_constant(g, node))
        else:
            break
        attributes(node)
        path.append((node, tensor))
        tensor = following
    shape = g.shape(tensor)
    found = View(tensor, np.arange(math.prod(shape)).reshape(shape), np.broadcast_to(1.0, shape))
    for node, result in reversed(path):
        found = _after(g, found, node, result)
    return found


def _chosen_at_run_time(g: OnnxGraph, node: NodeProto) -> bool:
    return any(name and not g.is_constant(name) for name in node.input[1:])


def _by_constant(g: OnnxGraph, node: NodeProto) -> str | None:
    """The variable operand of a product with, or a quotient by, a constant."""
    first, second = (str(name) for name in node.input) if len(node.input) == 2 else ("", "")
    if g.is_constant(second) and not g.is_constant(first):
        return first
    if node.op_type == "Mul" and g.is_constant(first) and not g.is_constant(second):
        return second
    return None


def _after(g: OnnxGraph, before: View, node: NodeProto, result: str) -> View:
    """The view behind one more node."""
    if node.op_type in ("Mul", "Div"):
        constant = g.floats(next(name for name in reversed(node.input) if g.is_constant(name)))
        shape = g.shape(result)
        factor = constant if node.op_type == "Mul" else 1 / np.where(constant == 0, np.nan, constant)
        return View(
            before.source,
            np.broadcast_to(before.index, shape),
            np.broadcast_to(before.factor, shape) * factor,
        )
    return replace(
        before, index=_move(g, node, result, before.index), factor=_move(g, node, result, before.factor)
    )


def _move(g: OnnxGraph, node: NodeProto, result: str, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    said = attributes(node)
    match node.op_type:
        case "Transpose":
            return values.transpose(said["perm"])
        case "Gather":
            return np.asarray(np.take(values, g.integers(node.input[1]), axis=said["axis"]))
        case "Slice":
            return values[slices(node, values.ndim, g.integers)]
        case "Split":
            place = list(node.output).index(result)
            sizes = [g.shape(name)[said["axis"]] for name in node.output]
            return np.split(values, np.cumsum(sizes)[:-1], axis=said["axis"])[place]
        case _:
            return values.reshape(g.shape(result))
