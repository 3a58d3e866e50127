# SPDX-License-Identifier: Apache-2.0
"""GELU spelled out, as exporters write it for operator sets before 20, read as one operator:

    y = x / 2 (1 + erf(x / sqrt 2))

The factors of the product come in any order, and the half stands anywhere among them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import NodeProto, helper

from peritus.frontends.operators import STANDARD

TOLERANCE = 1e-5  # of constants, which files have in float32


@dataclass(frozen=True)
class _Value:
    """factor, times x if it is `scaled`, times (shift + erf(x / sqrt 2)) if it has `erf`.

    made: the tensors on the way from x.
    """

    x: str
    factor: float = 1.0
    scaled: bool = True
    erf: bool = False
    shift: float = 0.0
    made: tuple[str, ...] = ()


@dataclass
class GeluReader:
    """Reads nodes one after the other. constants: by name, of those before a node.

    parts: tensors that only GELUs are made of -> the GELU's tensor.
    """

    constants: Mapping[str, npt.NDArray[Any]]
    parts: dict[str, str] = field(default_factory=dict)
    _values: dict[str, _Value] = field(default_factory=dict)

    def read(self, node: NodeProto) -> NodeProto:
        """The node, or, if it completes a GELU, a Gelu in its place."""
        found = self._value(node) if node.domain in STANDARD and len(node.output) == 1 else None
        if found is None:
            return node
        output = str(node.output[0])
        if found.erf and found.scaled and found.shift == 1 and _close(found.factor, 0.5):
            self.parts |= dict.fromkeys(found.made, output)
            return helper.make_node("Gelu", [found.x], [output], node.name)
        self._values[output] = replace(found, made=(*found.made, output))
        return node

    def _value(self, node: NodeProto) -> _Value | None:
        """What it computes; None: none of the formula's parts."""
        if node.op_type == "Erf" and len(node.input) == 1:
            x = self._of(node.input[0])
            fits = x.scaled and not x.erf and _close(x.factor, math.sqrt(0.5))
            return replace(x, factor=1.0, scaled=False, erf=True) if fits else None
        if node.op_type not in ("Add", "Mul", "Div") or len(node.input) != 2:
            return None
        first, second = map(str, node.input)
        if node.op_type != "Div" and first in self.constants:
            first, second = second, first
        if first in self.constants:
            return None
        a = self._of(first)
        if second in self.constants:
            constant = self.constants[second]
            number = constant.size == 1 and np.issubdtype(constant.dtype, np.floating)
            value = float(constant.item()) if number else math.nan
            if node.op_type == "Mul":
                return replace(a, factor=a.factor * value)
            if node.op_type == "Div":
                return replace(a, factor=a.factor / value) if value else None
            fits = a.erf and not a.scaled and a.shift == 0 and a.factor == value == 1
            return replace(a, shift=1.0) if fits else None
        b = self._of(second)
        if node.op_type != "Mul" or a.x != b.x or {(a.scaled, a.erf), (b.scaled, b.erf)} != _FACTORS:
            return None
        return _Value(a.x, a.factor * b.factor, erf=True, shift=a.shift + b.shift, made=(*a.made, *b.made))

    def _of(self, tensor: str) -> _Value:
        """What is known of a tensor; at least that it is itself."""
        return self._values.get(tensor, _Value(tensor))


_FACTORS = {(True, False), (False, True)}  # scaled, erf: x and the other one


def _close(value: float, expected: float) -> bool:
    return math.isclose(value, expected, rel_tol=TOLERANCE)
