# SPDX-License-Identifier: Apache-2.0
"""What a tensor of a vision transformer can be, while its graph is read.

Exporters write the same network in many ways: they move axes, split and join, scale early or late. So a
tensor is not recognized by the operators around it. It is a view of the result of a layer (`Rows`), or one of
the few intermediate forms that a norm, an activation or attention pass through. Moving data moves the indices
of a view.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Pixels:
    """The image (1, C, H, W) as factor * input + offset, per channel [C]."""

    factor: Floats
    offset: Floats


@dataclass(frozen=True, eq=False)
class Tokens:
    """Patches through a convolution plus constants: row i is constant[i] + patch i - prefix, [tokens, d].

    weight [d, C, p, p], bias [d]: of the convolution, on the file's input.
    """

    weight: Floats
    bias: Floats
    constant: Floats
    prefix: int

    @property
    def shape(self) -> tuple[int, int]:
        return self.constant.shape[0], self.constant.shape[1]


@dataclass(frozen=True, eq=False)
class Stream:
    """The residual stream after `blocks` layers; tensor: its name in the file."""

    tensor: str
    tokens: Tokens
    layers: tuple[Linear, ...]  # whose results were added, two per block

    @property
    def shape(self) -> tuple[int, int]:
        return self.tokens.shape


@dataclass(frozen=True, eq=False)
class Norm:
    """LayerNorm of the stream: gamma, beta [d]."""

    stream: Stream
    epsilon: float
    gamma: Floats
    beta: Floats

    @property
    def shape(self) -> tuple[int, int]:
        return self.stream.shape


@dataclass(frozen=True, eq=False)
class Linear:
    """weight [out, in] x + bias [out], of every row of `source`."""

    source: Norm | Activated | Mixed
    weight: Floats
    bias: Floats

    @property
    def shape(self) -> tuple[int, int]:
        return self.source.shape[0], len(self.bias)


@dataclass(frozen=True, eq=False)
class Activated:
    """function(source), element by element: of `quant_models.network.activation`."""

    source: Linear
    function: str

    @property
    def shape(self) -> tuple[int, int]:
        return self.source.shape


@dataclass(frozen=True, eq=False)
class Heads:
    """Columns of layers that make the queries, keys or values of every head: [heads, width]."""

    layer: Linear
    columns: Index


@dataclass(frozen=True, eq=False)
class Mixed:
    """softmax(scale q k^T) v, heads side by side: [tokens, heads * width]."""

    query: Heads
    key: Heads
    value: Heads
    scale: float

    @property
    def shape(self) -> tuple[int, int]:
        return self.value.layer.shape[0], self.value.columns.size


Base = Tokens | Stream | Norm | Linear | Activated | Mixed


@dataclass(frozen=True, eq=False)
class Rows:
    """scale * elements of `base` [rows, columns], at index row * columns + column; index has the tensor's
    shape."""

    base: Base
    index: Index
    scale: float = 1.0

    @classmethod
    def all_of(cls, base: Base, lead: tuple[int, ...] = (1,)) -> Rows:
        """Every element in order, behind leading axes of 1."""
        rows, columns = base.shape
        return cls(base, np.arange(rows * columns).reshape(*lead, rows, columns))

    @property
    def whole(self) -> bool:
        """All rows and columns in order, and nothing else."""
        rows, columns = self.base.shape
        size = rows * columns
        return (
            self.index.shape[-2:] == (rows, columns)
            and self.index.size == size
            and bool((self.index.ravel() == np.arange(size)).all())
        )

    def moved(self, index: Index) -> Rows:
        return replace(self, index=index)


@dataclass(frozen=True, eq=False)
class Scores:
    """scale * q k^T, (..., heads, tokens, tokens); `likely`: their softmax over the keys."""

    query: Heads
    key: Heads
    scale: float
    shape: tuple[int, ...]
    likely: bool = False


@dataclass(frozen=True, eq=False)
class NormStep:
    """A part of a LayerNorm written out: mean, centered, squared, variance, biased (+ epsilon), deviation,
    inverse."""

    stream: Stream
    step: str
    epsilon: float = 0.0


@dataclass(frozen=True, eq=False)
class ErfStep:
    """factor * erf(scale x), plus `factor` if shifted, times x if scaled by it: what GELU is made of."""

    x: Rows
    scale: float
    factor: float = 1.0
    shifted: bool = False
    by_x: bool = False


@dataclass(frozen=True, eq=False)
class Unknown:
    """Nothing of ours. reason: why, beginning with the node."""

    reason: str


Value = Pixels | Rows | Scores | NormStep | ErfStep | Unknown
Constant = npt.NDArray[Any]
