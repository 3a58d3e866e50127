# SPDX-License-Identifier: Apache-2.0
"""What differs between the tensors that a network has and those that a file holds, in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from torch import Tensor

LISTED = 8  # names in a message before it says how many more there are


@dataclass(frozen=True)
class StateDiff:
    """Names of tensors; `reshaped` has (name, expected shape, found shape)."""

    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    reshaped: tuple[tuple[str, tuple[int, ...], tuple[int, ...]], ...]

    def __bool__(self) -> bool:
        return bool(self.missing or self.unexpected or self.reshaped)

    def __str__(self) -> str:
        shapes = [f"{name} is {found}, expected {expected}" for name, expected, found in self.reshaped]
        parts = {"missing": self.missing, "unexpected": self.unexpected, "of another shape": shapes}
        return "; ".join(f"{len(names)} {word}: {shorten(names)}" for word, names in parts.items() if names)


def state_diff(expected: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> StateDiff:
    """Compare names and shapes, in the order of `expected`."""
    return StateDiff(
        tuple(name for name in expected if name not in found),
        tuple(name for name in found if name not in expected),
        tuple(
            (name, tuple(tensor.shape), tuple(found[name].shape))
            for name, tensor in expected.items()
            if name in found and found[name].shape != tensor.shape
        ),
    )


def shorten(names: Iterable[str]) -> str:
    """A comma-separated list that ends after LISTED names."""
    listed = list(names)
    more = f" and {len(listed) - LISTED} more" if len(listed) > LISTED else ""
    return ", ".join(listed[:LISTED]) + more
