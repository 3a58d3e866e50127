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
class _Step:
    """A tensor that is factor times another one, `x`."""

    x: str
    factor: float


@dataclass(frozen=True)
class _Erf:
    """A tensor that is factor (shift + erf(x / sqrt 2)), times x if it is `scaled`.

    made: the tensors on the way from x.
    """

    x: str
    factor: float
    made: tuple[str, ...]
    scaled: bool = False
    shift: float = 0.0


@dataclass
class GeluReader:
    """Reads nodes one after the other. constants: by name, of those before a node.

    parts: tensors inside of a GELU -> its result.
    """

    constants: Mapping[str, npt.NDArray[Any]]
    parts: dict[str, str] = field(default_factory=dict)
    _steps: dict[str, _Step] = field(default_factory=dict)
    _erfs: dict[str, _Erf] = field(default_factory=dict)

    def read(self, node: NodeProto) -> NodeProto:
        """The node, or, if it completes a GELU, a Gelu in its place."""
        found = self._erf(node) if node.domain in STANDARD and len(node.output) == 1 else None
        if found is None:
            return node
        output = str(node.output[0])
        if found.scaled and found.shift == 1 and _close(found.factor, 0.5):
            self.parts |= dict.fromkeys(found.made, output)
            return helper.make_node("Gelu", [found.x], [output], node.name)
        self._erfs[output] = replace(found, made=(*found.made, output))
        return node

    def _erf(self, node: NodeProto) -> _Erf | None:
        """What the node computes, if an erf is in it; a product with a constant is noted."""
        inputs = [str(name) for name in node.input]
        if node.op_type == "Erf" and len(inputs) == 1:
            step = self._steps.get(inputs[0])
            fits = step is not None and _close(step.factor, math.sqrt(0.5))
            return _Erf(step.x, 1.0, (inputs[0],)) if step and fits else None
        if node.op_type not in ("Add", "Mul", "Div") or len(inputs) != 2:
            return None
        if node.op_type != "Div" and (inputs[0] in self.constants or inputs[1] in self._erfs):
            inputs.reverse()
        first, second = inputs
        erf = self._erfs.get(first)
        if second not in self.constants:
            return self._product(erf, second) if erf and node.op_type == "Mul" else None
        value = _number(self.constants[second])
        if node.op_type == "Add":
            fits = erf is not None and not erf.scaled and erf.shift == 0 and erf.factor == value == 1
            return replace(erf, shift=1.0) if erf and fits else None
        factor = value if node.op_type == "Mul" else 1 / value if value else math.nan
        if erf is None:
            self._steps[str(node.output[0])] = _Step(first, factor)
            return None
        return replace(erf, factor=erf.factor * factor)

    def _product(self, erf: _Erf, other: str) -> _Erf | None:
        """With x, or with a multiple of it."""
        step = self._steps.get(other)
        if erf.scaled or erf.x not in (other, step and step.x):
            return None
        if other == erf.x or step is None:
            return replace(erf, scaled=True)
        return replace(erf, scaled=True, factor=erf.factor * step.factor, made=(*erf.made, other))


def _number(constant: npt.NDArray[Any]) -> float:
    """The value of a scalar, else nan."""
    scalar = constant.size == 1 and constant.ndim < 2 and np.issubdtype(constant.dtype, np.floating)
    return float(constant.item()) if scalar else math.nan


def _close(value: float, expected: float) -> bool:
    return math.isclose(value, expected, rel_tol=TOLERANCE)
