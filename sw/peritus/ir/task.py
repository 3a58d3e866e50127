# SPDX-License-Identifier: Apache-2.0
"""The task table of a model."""

from __future__ import annotations

from dataclasses import dataclass

from peritus.errors import PeritusError
from peritus.ir.stored import Record
from peritus.schema import Extent, Name, Scale
from peritus.tasks import TaskKind


class UnknownTaskError(PeritusError):
    """A task name that the model does not have; lists the ones it has."""


@dataclass(frozen=True)
class Task(Record):
    """One task of the table.

    kind: see peritus.tasks. classes: names, one per channel, or empty. scale: real value of one LSB of the
    head's int16 output.
    host: rows and columns of a map that no head computes: the host does, from the features (peritus.tail).
    """

    name: Name
    kind: TaskKind
    channels: Extent
    scale: Scale
    classes: tuple[Name, ...] = ()
    host: tuple[Extent, Extent] | None = None
