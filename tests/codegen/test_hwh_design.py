# SPDX-License-Identifier: Apache-2.0
"""The generated .hwh describes the block design that the Tcl scripts make: cells, nets, buses, addresses."""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import pytest

from peritus.arch import ip
from peritus.codegen.hwh import hardware_handoff
from peritus.eda.board import vivado_settings
from peritus.eda.vivado.project import DESIGN, Project
from peritus.eda.vivado.run import check_project
from peritus.eda.vivado.wrapper import MODULE
from vivado_recorder import Recording
from vivado_recorder.packager import interfaces_of


@pytest.fixture(scope="module")
def recording(project: Project) -> Recording:
    return check_project(project)


@pytest.fixture
def handoff(project: Project) -> Element:
    ports = vivado_settings(project.board).ports
    return ElementTree.fromstring(hardware_handoff(project.hw, ps_ports=ports))


def pins(handoff: Element, tag: str) -> Iterator[tuple[str, Element]]:
    """(cell/name, element) of all ports or bus interfaces."""
    for module in handoff.iter("MODULE"):
        for found in module.iter(tag):
            yield f"{module.get('INSTANCE')}/{found.get('NAME')}", found


def test_cells(handoff: Element, recording: Recording) -> None:
    recorded = {cell.name: cell.spec for cell in recording.model.of("bd_cell")}
    found = {module.get("INSTANCE", ""): module.get("VLNV", "") for module in handoff.iter("MODULE")}
    assert found.keys() == recorded.keys()
    assert all(recording.model.ip(vlnv) is recorded[cell] for cell, vlnv in found.items())
    assert handoff.find("SYSTEMINFO[@NAME]").get("NAME") == DESIGN  # type: ignore[union-attr]


def test_buses(handoff: Element, recording: Recording) -> None:
    assert recording.design is not None
    ends: dict[str | None, dict[str | None, str]] = {}
    for name, interface in pins(handoff, "BUSINTERFACE"):
        ends.setdefault(interface.get("BUSNAME"), {})[interface.get("TYPE")] = f"bd_intf_pin:{name}"
    assert {end["MASTER"]: end["SLAVE"] for end in ends.values()} == recording.design.links


def test_nets(handoff: Element, recording: Recording) -> None:
    """Clocks, resets, interrupts; and every port names what is at the other end."""
    assert recording.design is not None
    ports = dict(pins(handoff, "PORT"))
    nets: dict[str, set[str]] = {}
    for name, port in ports.items():
        others = {f"{c.get('INSTANCE')}/{c.get('PORT')}" for c in port.iter("CONNECTION")}
        assert others and all(ports[other].get("SIGNAME") == port.get("SIGNAME") for other in others)
        if port.get("DIR") == "O" and port.get("SIGIS") != "undef":
            nets[f"bd_pin:{name}"] = {f"bd_pin:{other}" for other in others}
    assert nets == recording.design.nets


def test_addresses(project: Project, handoff: Element, recording: Recording) -> None:
    """Of memory what every board has: DDR_LOW."""
    assert recording.design is not None
    recorded = {
        (recording.model.get(segment).parents[1].removeprefix("bd_intf_pin:"), *place)
        for (_, segment), place in recording.design.assigned.items()
        if not segment.endswith("DDR_HIGH")
    }
    found = set()
    for area in handoff.iter("MEMRANGE"):
        base, high = (int(area.get(key, ""), 16) for key in ("BASEVALUE", "HIGHVALUE"))
        found.add((f"{area.get('INSTANCE')}/{area.get('SLAVEBUSINTERFACE')}", base, high - base + 1))
    assert found == recorded


def test_the_accelerator_has_the_ports_of_its_wrapper(project: Project, handoff: Element) -> None:
    entries = interfaces_of(project.folder / "ip" / "src" / f"{MODULE}.v", MODULE).values()
    ports = {
        name: ({"input": "I", "output": "O"}[direction], width)
        for entry in entries
        for name, direction, width in entry.signals.values()
    }
    module = handoff.find(f".//MODULE[@INSTANCE='{ip.INSTANCE}']")
    assert module is not None
    assert ports == {
        port.get("NAME"): (port.get("DIR"), int(port.get("LEFT", "0")) + 1) for port in module.iter("PORT")
    }
