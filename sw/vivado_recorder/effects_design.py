# SPDX-License-Identifier: Apache-2.0
"""Effects of commands on the block design."""

from __future__ import annotations

import re
from pathlib import Path

from vivado_recorder import checks
from vivado_recorder.effects_project import Result, find
from vivado_recorder.errors import ScriptError
from vivado_recorder.model import Design, Model, Thing
from vivado_recorder.table import Call

_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


def create_bd_design(model: Model, call: Call) -> Result:
    if model.design:
        raise ScriptError(f"create_bd_design: {model.design.name} is there already")
    model.design = Design(call.argument("name"))
    return f"bd_design:{model.design.name}"


def create_cell(model: Model, call: Call) -> Result:
    vlnv = call.values.get("vlnv")
    if vlnv is None:
        raise ScriptError("create_bd_cell: -vlnv is required for an IP")
    spec = model.ip(vlnv)
    if spec is None:
        raise ScriptError(
            f"create_bd_cell: {vlnv} is not in the IP catalog; there are {', '.join(model.ips)}"
        )
    name = call.argument("name")
    properties = {"name": name} | {f"config.{key.lower()}": value for key, value in spec["default"].items()}
    cell = model.add(Thing("bd_cell", name, (), properties, spec))
    model.build_cell(cell)
    model.changed()
    return cell.handle


def preset(model: Model, call: Call) -> Result:
    """The board's preset: memory, pins and clocks of the processor, without which it does not boot."""
    assert model.project is not None
    if not model.project.properties.get("board_part"):
        raise ScriptError("apply_bd_automation: the project has no board_part to take the preset of")
    config = call.lists.get("config", [])
    if dict(zip(config[::2], config[1::2], strict=False)).get("apply_board_preset") != "1":
        raise ScriptError("apply_bd_automation: -config must say apply_board_preset 1")
    for handle in call.arguments.get("objects", []):
        cell = model.get(handle)
        if not cell.spec.get("preset"):
            raise ScriptError(f"apply_bd_automation: {call.values.get('rule')} is not for {handle}")
        if "preset" in cell.properties:
            raise ScriptError(
                f"apply_bd_automation: overwrites what was set on {cell.name} after the first one"
            )
        cell.properties["preset"] = model.project.properties["board_part"]
    return None


def connect_net(model: Model, call: Call) -> Result:
    assert model.design is not None
    pins = [model.get(handle) for handle in call.arguments["objects"]]
    drivers = [pin for pin in pins if pin.spec["direction"] == "O"]
    if len(pins) < 2 or len(drivers) != 1:
        raise ScriptError(
            f"{call}: needs one output and at least one input, has {len(drivers)} of {len(pins)}"
        )
    for pin in pins:
        if pin is not drivers[0] and (present := model.design.driver(pin.handle)):
            raise ScriptError(f"connect_bd_net: {pin.name} is driven by {present} already")
        checks.same_signal(drivers[0], pin)
    model.design.nets.setdefault(drivers[0].handle, set()).update(
        pin.handle for pin in pins if pin is not drivers[0]
    )
    model.changed()
    return None


def connect_interface(model: Model, call: Call) -> Result:
    assert model.design is not None
    ends = [model.get(call.argument(name)) for name in ("object1", "object2")]
    modes = {pin.spec["mode"]: pin for pin in ends}
    if set(modes) != {"master", "slave"}:
        raise ScriptError(
            f"connect_bd_intf_net: {ends[0].name} and {ends[1].name} are both {ends[0].spec['mode']}"
        )
    master, slave = modes["master"], modes["slave"]
    for pin in ends:
        if pin.handle in model.design.links or pin.handle in model.design.links.values():
            raise ScriptError(f"connect_bd_intf_net: {pin.name} is connected already")
    model.design.links[master.handle] = slave.handle
    model.changed()
    return None


def segments(model: Model, call: Call) -> Result:
    parent = call.values.get("of_objects")
    if "addressables" not in call.flags:
        return find(model, call)
    if parent is None:
        raise ScriptError("get_bd_addr_segs: -addressables wants -of_objects")
    found = [segment.handle for segment in model.reachable(model.get(parent, "bd_intf_pin"))]
    if not found and "quiet" not in call.flags:
        raise ScriptError(f"get_bd_addr_segs: {parent} leads to no segment")
    return found


def assign_address(model: Model, call: Call) -> Result:
    assert model.design is not None
    space = call.values.get("target_address_space")
    if space is None or not call.arguments.get("objects"):
        raise ScriptError("assign_bd_address: name the address space and the segments")
    for handle in call.arguments["objects"]:
        segment = model.get(handle)
        fixed = segment.spec.get("base")
        offset = _size(call.values["offset"]) if "offset" in call.values else fixed
        size = _size(call.values["range"]) if "range" in call.values else segment.spec["range"]
        if offset is None:
            raise ScriptError(f"assign_bd_address: {segment.name} has no fixed place, give -offset")
        checks.place(model, model.get(space), segment, offset, size)
        model.design.assigned[space, handle] = (offset, size)
    model.changed()
    return list(call.arguments["objects"])


def exclude_address(model: Model, call: Call) -> Result:
    assert model.design is not None
    space, segment = call.values.get("target_address_space"), call.arguments.get("segment_to_exclude")
    if space is None or segment is None:
        raise ScriptError("exclude_bd_addr_seg: name the address space and the segment")
    model.design.excluded.add((space, segment[0]))
    model.changed()
    return segment[0]


def validate(model: Model, call: Call) -> Result:
    assert model.design is not None
    checks.design(model)
    model.design.validated = True
    return None


def save_bd_design(model: Model, call: Call) -> Result:
    assert model.design is not None and model.project is not None
    if not model.design.validated:
        raise ScriptError("save_bd_design: the design is not validated")
    if not model.design.saved:
        model.add(Thing("file", f"{model.design.name}.bd", (), {"name": f"{model.design.name}.bd"}))
    model.design.saved = True
    return None


def generate(model: Model, call: Call) -> Result:
    design, project = model.design, model.project
    assert project is not None
    if design is None or not (design.saved and design.validated):
        raise ScriptError("generate_target: the block design is not validated and saved")
    folder = (
        Path(project.properties["directory"]) / f"{project.name}.gen/sources_1/bd/{design.name}/hw_handoff"
    )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{design.name}.hwh").write_text("recorded, not generated\n")
    design.generated = True
    for run in model.of("run"):
        if run.properties["progress"] == "100%":
            run.properties["stale"] = "yes"
    return None


def make_wrapper(model: Model, call: Call) -> Result:
    design = model.design
    if design is None or not design.saved:
        raise ScriptError("make_wrapper: the block design is not saved")
    if not {"top", "import"} <= call.flags:
        raise ScriptError("make_wrapper: only -top -import is recorded")
    name = f"{design.name}_wrapper.v"
    return model.add(Thing("file", name, ("fileset:sources_1",), {"name": name})).handle


def _size(text: str) -> int:
    match = re.fullmatch(r"(0x[0-9a-fA-F]+|\d+)([KMGT]?)", text)
    if match is None:
        raise ScriptError(f"{text!r} is not an address or size such as 0xA0000000, 4096 or 4K")
    return int(match[1], 0) * _UNITS[match[2]]
