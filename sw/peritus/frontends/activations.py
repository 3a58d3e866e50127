# SPDX-License-Identifier: Apache-2.0
"""ONNX operators that are activations of the accelerator (peritus.reference.ACTIVATIONS)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class ActivationOperator:
    """An ONNX operator with the attributes that it must have, and what it is in the integer graph."""

    op_type: str
    function: str
    attributes: Mapping[str, Any] = field(default_factory=dict)


OPERATORS = (
    ActivationOperator("Gelu", "gelu", {"approximate": "none"}),
    ActivationOperator("Relu", "relu"),
)
BY_OPERATOR = {operator.op_type: operator for operator in OPERATORS}
FUNCTIONS = tuple(operator.function for operator in OPERATORS)
