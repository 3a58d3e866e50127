# SPDX-License-Identifier: Apache-2.0
"""What tools said of a configuration: JSON of `peritus build`, its --estimate, and `peritus timing`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from peritus.errors import PeritusError
from peritus.pages.errors import PageError
from peritus.schema import Name, Real, SchemaError, checked, read_json, read_text

VIVADO = "Vivado"
SYNTHESIS = "an estimate by open synthesis"


@dataclass(frozen=True)
class Power:
    """Of a Vivado build, in W."""

    total_w: Real
    dynamic_w: Real
    static_w: Real
    confidence: Name


@dataclass(frozen=True)
class Built:
    """resources: kind, used, there are; source: of them. worst_ns: the shortest period of the clock by the
    estimate before placement. power: of Vivado. None: nothing known."""

    resources: tuple[tuple[str, float, float], ...] | None = None
    source: str | None = None
    worst_ns: float | None = None
    power: Power | None = None


@dataclass(frozen=True)
class _Timing:
    hw: Name
    worst_ns: Real


@dataclass(frozen=True)
class _Synthesis:
    hw: Name
    total: dict[Name, Real]
    device: dict[Name, Any]


@dataclass(frozen=True)
class _Sites:
    used: Real
    available: Real


@dataclass(frozen=True)
class _Build:
    hw: Name
    utilization: dict[Name, _Sites]
    power: Power


def read_built(paths: list[Path], hw: str | None) -> Built:
    """All that files of a configuration say, the later ones first.

    Raises:
        PageError: a file is none of these, or is of another configuration; names it.
    """
    found = Built()
    for path in paths:
        try:
            found = _add(found, read_json(read_text(path)), hw)
        except (ValueError, PeritusError) as error:  # SchemaError is a ValueError
            raise PageError(f"{path} is no record of a build or an estimate: {error}") from error
    return found


def _add(found: Built, value: Any, hw: str | None) -> Built:
    if not isinstance(value, Mapping) or value.get("hw") != hw:
        raise SchemaError(f"it is not of the configuration {hw!r}")
    if "worst_ns" in value:
        return replace(found, worst_ns=checked(_Timing, _only(_Timing, value)).worst_ns)
    if "total" in value:
        synthesis = checked(_Synthesis, _only(_Synthesis, value))
        rows = tuple(
            (kind, used, float(synthesis.device[kind]))
            for kind, used in synthesis.total.items()
            if isinstance(synthesis.device.get(kind), int | float)
        )
        return replace(found, resources=rows, source=SYNTHESIS)
    build = checked(_Build, _only(_Build, value))
    sites = tuple((kind, site.used, site.available) for kind, site in build.utilization.items())
    return replace(found, resources=sites, source=VIVADO, power=build.power)


def _only(kind: type[Any], value: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a record, of one that has more."""
    return {name: value[name] for name in kind.__dataclass_fields__ if name in value}
