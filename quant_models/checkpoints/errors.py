# SPDX-License-Identifier: Apache-2.0
"""What can be wrong with a checkpoint."""

from __future__ import annotations

import re
from collections.abc import Iterable

from peritus.errors import PeritusError


class CheckpointError(PeritusError):
    """A checkpoint cannot be read or used; names the file, what was found and what was expected."""


class ArchitectureError(CheckpointError):
    """The checkpoint is of another architecture, or does not say of which."""


class MissingTensorsError(CheckpointError):
    """Tensors that the network needs are not in the checkpoint. `missing`: their names."""

    def __init__(self, message: str, missing: tuple[str, ...]) -> None:
        super().__init__(message)
        self.missing = missing


def grouped(names: Iterable[str]) -> list[str]:
    """One line for names that differ only in the layer: "layers 1, 3: mlp.fc1.weight, mlp.fc1.bias"."""
    layers: dict[str, list[int]] = {}
    lines: list[str] = []
    for name in names:
        match = re.fullmatch(r"backbone\.blocks\.(\d+)\.(.+)", name)
        if match is None:
            lines.append(name)
        else:
            layers.setdefault(match[2], []).append(int(match[1]))
    tensors: dict[tuple[int, ...], list[str]] = {}
    for tensor, found in layers.items():
        tensors.setdefault(tuple(found), []).append(tensor)
    for found_in, members in tensors.items():
        word = "layer" if len(found_in) == 1 else "layers"
        lines.append(f"{word} {', '.join(map(str, found_in))}: {', '.join(members)}")
    return lines
