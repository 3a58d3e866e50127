# SPDX-License-Identifier: Apache-2.0
"""Types of the values in the integer graph."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from peritus.errors import PeritusError
from peritus.reference import Routing
from peritus.reference.arithmetic import Ints

IMAGE = "image"  # name of the value that is the camera frame
Value = Ints | Routing  # what an operation computes


class Kind(Enum):
    """What role a value plays; the accelerator keeps each kind in a memory of its own."""

    IMAGE = "image"  # uint8 [height, width, 3]
    ACTIVATION = "activation"  # int8 [tokens, channels]
    CONTRIBUTION = "contribution"  # int16 [tokens, channels], may only be added to the residual stream
    RESIDUAL = "residual"  # int16 [tokens, channels]
    ROUTING = "routing"  # [tokens, top_k] experts and scores
    MAP = "map"  # int16 [rows, columns, channels]


@dataclass(frozen=True)
class TensorType:
    """Shape, storage and meaning of a value. scale: real value of one LSB, None if it differs by channel."""

    kind: Kind
    shape: tuple[int, ...]
    bits: int
    signed: bool = True
    scale: float | None = None

    @property
    def low(self) -> int:
        """Smallest value."""
        return -(1 << (self.bits - 1)) if self.signed else 0

    @property
    def high(self) -> int:
        """Largest value."""
        return (1 << (self.bits - self.signed)) - 1

    def __str__(self) -> str:
        return f"{self.kind.value} {'' if self.signed else 'u'}int{self.bits}{list(self.shape)}"


class GraphError(PeritusError):
    """The graph breaks a rule; the message starts with the name of the node."""

    def __init__(self, node: str, message: str) -> None:
        super().__init__(f"node {node!r}: {message}")
        self.node = node
