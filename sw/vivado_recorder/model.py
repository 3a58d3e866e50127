# SPDX-License-Identifier: Apache-2.0
"""What a script has made so far: projects, files, an IP being packaged, a block design.

An object is written `kind:name` in Tcl, so that a command given an object of the wrong kind notices.
"""

from __future__ import annotations

import fnmatch
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vivado_recorder.errors import ScriptError
from vivado_recorder.hdl import Verilator


@dataclass
class Thing:
    """One object.

    parents: handles of what it belongs to. properties: by lower-case name. spec: from the catalog.
    """

    kind: str
    name: str
    parents: tuple[str, ...] = ()
    properties: dict[str, str] = field(default_factory=dict)
    spec: Mapping[str, Any] = field(default_factory=dict)

    @property
    def handle(self) -> str:
        return f"{self.kind}:{self.name}"


@dataclass
class Design:
    """A block design. nets: pins joined, by driving pin. links: interfaces, master to slave.

    assigned: (space, segment) to (offset, range); excluded: (space, segment).
    """

    name: str
    nets: dict[str, set[str]] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    assigned: dict[tuple[str, str], tuple[int, int]] = field(default_factory=dict)
    excluded: set[tuple[str, str]] = field(default_factory=set)
    validated: bool = False
    saved: bool = False
    generated: bool = False

    def driver(self, pin: str) -> str | None:
        """The pin that drives an input."""
        return next((source for source, sinks in self.nets.items() if pin in sinks), None)


class Model:
    """All state, and how objects are found."""

    def __init__(
        self,
        catalog: Path,
        split: Callable[[str], Sequence[str]],
        verilator: Verilator | None = None,
        folder: Path = Path(),
    ) -> None:
        self.folder = folder  # what names of files are relative to
        self.split = split  # a Tcl list into its words
        self.verilator = verilator
        self.catalog: dict[str, Any] = tomllib.loads(catalog.read_text())
        self.ips: dict[str, Mapping[str, Any]] = dict(self.catalog["ip"])
        self.things: dict[str, Thing] = {}
        self.project: Thing | None = None
        self.core: Thing | None = None
        self.design: Design | None = None
        self.implemented = False
        self.broken = 0  # so many implementations to come fail
        self.unmet = 0  # so many implementations to come do not meet their timing
        self.core_checked = False
        self.elaborated = False  # the HDL of the packaged IP, by Verilator
        self.constraint_file: Thing | None = None  # the one that is being run
        # Of Vitis HLS: project, top, solution; sources; the IP that were made, in the form of the catalog.
        self.hls: dict[str, str] = {}
        self.hls_sources: list[Path] = []
        self.exported: dict[str, Mapping[str, Any]] = {}

    def need(self, what: str) -> None:
        """ScriptError unless `what` (`needs` in the table of commands) is there."""
        there = {
            "project": self.project,
            "core": self.core,
            "bd_design": self.design,
            "implemented": self.implemented,
            "constraint_file": self.constraint_file,
        }
        if not there[what]:
            raise ScriptError(f"no {what.replace('_', ' ')} is open")

    def add(self, thing: Thing) -> Thing:
        """Keep an object; ScriptError if there is one of that kind and name."""
        if thing.handle in self.things:
            raise ScriptError(f"{thing.kind.replace('_', ' ')} {thing.name} exists already")
        self.things[thing.handle] = thing
        return thing

    def changed(self) -> None:
        """The block design is no longer what was validated."""
        if self.design:
            self.design.validated = False

    def get(self, handle: str, *kinds: str) -> Thing:
        """The object of a handle; ScriptError if it is none, or of none of `kinds`."""
        thing = self.things.get(handle)
        if thing is None:
            raise ScriptError(f"{handle!r} is not an object")
        if kinds and thing.kind not in kinds:
            raise ScriptError(f"{handle!r} is a {thing.kind}, must be a {' or '.join(kinds)}")
        return thing

    def of(self, kind: str, pattern: str = "*", parent: str | None = None) -> list[Thing]:
        """Objects of a kind whose name matches, below `parent` if given; a file's last part may match too."""
        pattern = pattern.removeprefix("/") if kind.startswith("bd_") else pattern
        return [
            thing
            for thing in self.things.values()
            if thing.kind == kind
            and (
                fnmatch.fnmatchcase(thing.name, pattern)
                or (kind == "file" and Path(thing.name).name == pattern)
            )
            and (parent is None or parent in thing.parents)
        ]

    # --- cells ---

    def ip(self, vlnv: str) -> Mapping[str, Any] | None:
        """What the IP catalog has under a name, whose version may be left out; None if nothing."""
        name, _, version = vlnv.rpartition(":")
        for listed, spec in self.ips.items():
            known = vlnv == listed or (name == listed and version in spec.get("versions", []))
            if known and spec.get("listed", True):
                return spec
        return None

    def build_cell(self, cell: Thing) -> None:
        """Make the pins, interfaces, spaces and segments that a cell has with its present parameters."""
        wanted = {thing.handle: thing for thing in self._parts(cell)}
        for handle in [
            h for h, thing in self.things.items() if cell.handle in thing.parents and h not in wanted
        ]:
            del self.things[handle]
        for handle, thing in wanted.items():
            self.things.setdefault(handle, thing)

    def _parts(self, cell: Thing) -> Iterator[Thing]:
        def parameter(name: str) -> str:
            return cell.properties[f"config.{name.lower()}"]

        for spec in _expand(cell.spec.get("pin", [])):
            if "when" not in spec or parameter(spec["when"]) == "1":
                yield Thing("bd_pin", f"{cell.name}/{spec['name']}", (cell.handle,), {}, spec)
        for spec in _expand(cell.spec.get("interface", [])):
            if "when" in spec and parameter(spec["when"]) != "1":
                continue
            for index in range(int(parameter(spec["count"])) if "count" in spec else 1):
                name = spec["name"].format(index) if "count" in spec else spec["name"]
                pin = Thing("bd_intf_pin", f"{cell.name}/{name}", (cell.handle,), {}, spec)
                yield pin
                parents = (cell.handle, pin.handle)
                if "space" in spec:
                    yield Thing("bd_addr_space", f"{cell.name}/{spec['space']}", parents, {}, spec)
                for segment in spec.get("segments", []):
                    where = f"{cell.name}/{spec['map']}/{segment['name']}"
                    yield Thing("bd_addr_seg", where, parents, {"name": segment["name"]}, segment)

    def width(self, pin: Thing) -> int | None:
        """Data width of an interface in bits: a number, or a parameter of its cell; None if it adapts."""
        width = pin.spec.get("width")
        if isinstance(width, str):
            cell = self.get(pin.parents[0])
            return int(cell.properties[f"config.{width.lower()}"])
        return width

    def clock(self, pin: Thing) -> str | None:
        """The pin that drives the clock of an interface."""
        assert self.design is not None
        cell = self.get(pin.parents[0])
        return self.design.driver(f"bd_pin:{cell.name}/{pin.spec['clock']}")

    def ends(self, master: Thing) -> list[Thing]:
        """Slave interfaces that a master interface leads to, through cells that pass transfers on."""
        assert self.design is not None
        slave = self.design.links.get(master.handle)
        if slave is None:
            return []
        cell = self.get(self.get(slave).parents[0])
        if not cell.spec.get("through"):
            return [self.get(slave)]
        onward = [pin for pin in self.of("bd_intf_pin", parent=cell.handle) if pin.spec["mode"] == "master"]
        return [end for pin in onward for end in self.ends(pin)]

    def reachable(self, master: Thing) -> list[Thing]:
        """Address segments behind a master interface."""
        return [segment for end in self.ends(master) for segment in self.of("bd_addr_seg", parent=end.handle)]


def _expand(specs: list[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Entries with `each` once for every value, with {name} replaced in all texts."""
    for spec in specs:
        if "each" not in spec:
            yield spec
            continue
        rest = {key: value for key, value in spec.items() if key != "each"}
        for values in zip(*spec["each"].values(), strict=True):
            yield _format(rest, dict(zip(spec["each"], values, strict=True)))


def _format(item: Any, names: Mapping[str, Any]) -> Any:
    if isinstance(item, str):
        return item.format(**names)
    if isinstance(item, list):
        return [_format(part, names) for part in item]
    if isinstance(item, dict):
        return {key: _format(part, names) for key, part in item.items()}
    return item
