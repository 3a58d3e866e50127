# SPDX-License-Identifier: Apache-2.0
"""docs/extending.md, row by row, for everything that exists: a place that was forgotten is named."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from peritus.arch.config import config_names
from peritus.arch.isa import Opcode
from peritus.arch.units import UNITS, Unit
from peritus.devices import BUILT_IN, DeviceSpec
from peritus.eda.board import board_names
from peritus.ir.ops import OPS
from peritus.reference import ACTIVATIONS

Entry = Mapping[str, str]


@dataclass(frozen=True)
class Place:
    """One row of a recipe: files by glob, and what one of them must contain; braces not yet filled."""

    what: str
    where: str
    contains: str


def recipes(repository: Path) -> dict[str, list[Place]]:
    """Heading of docs/extending.md -> its rows."""
    found: dict[str, list[Place]] = {}
    places: list[Place] = []
    for line in (repository / "docs" / "extending.md").read_text().splitlines():
        if line.startswith("## "):
            places = found[line.removeprefix("## ")] = []
        elif line.startswith("| ") and not line.startswith("| what |"):
            what, where, contains = (cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1])
            places.append(Place(what, where.strip("`"), contains.strip("`")))
    return found


def fill(template: str, entry: Entry) -> str:
    return re.sub(r"\{(\w+)\}", lambda match: entry[match[1]], template)


def forgotten(repository: Path, places: Iterable[Place], entry: Entry) -> list[str]:
    """What is missing for an entry, as sentences that name the file."""
    missing = []
    for place in places:
        where = fill(place.where, entry)
        files = sorted(repository.glob(where))
        pattern = re.compile(fill(place.contains, entry), re.MULTILINE)
        if not files:
            missing.append(f"{entry['name']}: {where} does not exist ({place.what})")
        elif not any(pattern.search(file.read_text()) for file in files):
            missing.append(f"{entry['name']}: {where} has nothing like {pattern.pattern!r} ({place.what})")
    return missing


def named(name: str, **more: str) -> dict[str, str]:
    return {"name": name, "NAME": name.upper(), **more}


def of_unit(unit: Unit) -> dict[str, str]:
    file, _, function = unit.reference.partition(".")
    module, bench, page = unit.module or unit.name, unit.bench or unit.name, unit.page or unit.name
    return named(unit.name, module=module, bench=bench, page=page, file=file, function=function)


def of_device(spec: DeviceSpec) -> dict[str, str]:
    module, _, name = spec.target.partition(":")
    return {**named(spec.name), "module": module.replace(".", "/"), "class": name}


ENTRIES: dict[str, list[dict[str, str]]] = {
    "Hardware configuration": [named(name) for name in config_names()],
    "Function unit": [of_unit(unit) for unit in UNITS if unit.reference],
    "Activation": [named(name) for name in ACTIVATIONS if name != "none"],
    "Graph operation": [named(name) for name in OPS],
    "Instruction": [named(opcode.name) for opcode in Opcode],
    "Board": [named(name) for name in board_names()],
    "Device": [of_device(spec) for spec in BUILT_IN],
}


def test_every_recipe_is_held(repository: Path) -> None:
    assert set(recipes(repository)) == set(ENTRIES)
    assert all(len(places) >= 2 for places in recipes(repository).values())


@pytest.mark.parametrize("recipe", ENTRIES)
def test_nothing_is_forgotten(repository: Path, recipe: str) -> None:
    places = recipes(repository)[recipe]
    missing = [text for entry in ENTRIES[recipe] for text in forgotten(repository, places, entry)]
    assert not missing, "\n".join(missing)


def test_what_is_forgotten_is_named(repository: Path) -> None:
    """A unit and an instruction of which only the row exists."""
    unit = of_unit(Unit("softplus", "4", "", "softplus.softplus"))
    found = forgotten(repository, recipes(repository)["Function unit"], unit)
    assert [text.split()[1] for text in found] == [
        "sw/peritus/arch/units.py",
        "sw/peritus/reference/*.py",
        "docs/numerics.md",
        "rtl/*/peritus_softplus.sv",
        "tests/rtl/benches/bench_softplus.py",
        "tests/rtl/test_*.py",
        "docs/blocks/softplus.md",
        "rtl/generated/peritus_latency_pkg.sv",
    ]
    found = forgotten(repository, recipes(repository)["Instruction"], named("TRANSPOSE"))
    assert len(found) == len(recipes(repository)["Instruction"])
