# SPDX-License-Identifier: Apache-2.0
"""What is swept: configurations around one, times models."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import product
from typing import Any

from peritus.arch.config import DdrConfig, HwConfig
from peritus.explore.errors import ExploreError

DDR = "ddr."
MAX_POINTS = 100_000


@dataclass(frozen=True)
class Axis:
    """A field of HwConfig, or ddr.FIELD, and the values it takes."""

    field: str
    values: tuple[float, ...]

    @classmethod
    def parse(cls, text: str) -> Axis:
        """`pk=16,32` or `ddr.bytes_per_cycle=21,42`; ExploreError says what is wrong."""
        name, equals, values = text.partition("=")
        known = [f.name for f in fields(HwConfig) if f.name not in ("name", "ddr")]
        known += [DDR + f.name for f in fields(DdrConfig)]
        if not equals or name not in known:
            raise ExploreError(f"cannot vary {text!r}: write FIELD=VALUE,VALUE; fields: {', '.join(known)}")
        try:
            return cls(name, tuple(_number(value) for value in values.split(",")))
        except ValueError as error:
            raise ExploreError(
                f"cannot vary {name}: {values!r} are not numbers separated by commas"
            ) from error


def _number(text: str) -> float:
    return int(text) if text.strip().lstrip("-").isdigit() else float(text)


@dataclass(frozen=True)
class Point:
    """One configuration, as a table that may break rules, with one model and task.

    model: what peritus.load_model takes. digest: of the model's file.
    """

    changes: tuple[tuple[str, float], ...]
    base: str  # JSON of the table that `changes` apply to
    model: str
    digest: str
    task: str | None

    @property
    def key(self) -> str:
        """Identity of the point: the same question has the same key."""
        text = json.dumps([self.table(), self.digest, self.task], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def name(self) -> str:
        """For people: what differs from the base."""
        return " ".join(f"{field}={value:g}" for field, value in self.changes) or "base"

    def table(self) -> dict[str, Any]:
        """The configuration's fields."""
        table: dict[str, Any] = json.loads(self.base)
        for field, value in self.changes:
            if field.startswith(DDR):
                table["ddr"][field.removeprefix(DDR)] = value
            else:
                table[field] = value
        return table


def points(
    base: HwConfig, axes: Sequence[Axis], models: Mapping[str, str], task: str | None
) -> Iterator[Point]:
    """Every combination of the axes' values, for every model (name -> digest).

    Raises:
        ExploreError: a field is varied twice; more than MAX_POINTS.
    """
    names = [axis.field for axis in axes]
    if twice := {name for name in names if names.count(name) > 1}:
        raise ExploreError(f"{', '.join(sorted(twice))} varied twice: give all values at once")
    total = len(models)
    for axis in axes:
        total *= len(axis.values)
    if total > MAX_POINTS:
        raise ExploreError(f"{total:,} points, at most {MAX_POINTS:,}: vary less at once")
    text = json.dumps(base.table())
    for values in product(*(axis.values for axis in axes)):
        for model, digest in models.items():
            yield Point(tuple(zip(names, values, strict=True)), text, model, digest, task)
