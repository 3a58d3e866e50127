# SPDX-License-Identifier: Apache-2.0
"""Effects of commands on projects, files, properties and the IP packager."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Sequence
from pathlib import Path

from vivado_recorder import checks, hdl, packager
from vivado_recorder.errors import ScriptError
from vivado_recorder.model import Model, Thing
from vivado_recorder.table import Call

Result = str | Sequence[str] | None
RUNS = ("synth_1", "impl_1")


def nothing(model: Model, call: Call) -> Result:
    """A command whose work leaves nothing that a later command looks at."""
    return None


def create_project(model: Model, call: Call) -> Result:
    part = call.values.get("part", "")
    if part not in model.catalog["parts"]:
        raise ScriptError(
            f"create_project: unknown part {part!r}; known: {', '.join(model.catalog['parts'])}"
        )
    if model.project:
        raise ScriptError(f"create_project: project {model.project.name} is still open")
    name = call.argument("name", "project_1")
    folder = Path(call.argument("dir", "."))
    if folder.exists() and "force" not in call.flags:
        raise ScriptError(f"create_project: {folder} exists; -force overwrites it")
    folder.mkdir(parents=True, exist_ok=True)
    properties = {"name": name, "directory": str(folder), "part": part}
    model.project = model.add(Thing("project", name, (), properties))
    for fileset in ("sources_1", "constrs_1", "sim_1"):
        model.add(Thing("fileset", fileset, (), {"name": fileset}))
    for run in RUNS:
        state = {"progress": "0%", "status": "Not started", "directory": str(folder / f"{name}.runs" / run)}
        model.add(Thing("run", run, (), {"name": run} | state))
    return model.project.handle


def close_project(model: Model, call: Call) -> Result:
    model.project = model.core = model.design = None
    model.implemented = False
    model.things.clear()
    return None


def current(model: Model, call: Call) -> Result:
    if call.arguments:
        raise ScriptError(f"{call.command}: only asking for the present one is recorded")
    if call.kind == "fileset":
        return "fileset:sources_1"
    found = model.project if call.kind == "project" else model.core
    assert found is not None
    return found.handle


def add_files(model: Model, call: Call) -> Result:
    fileset = call.values.get("fileset", "sources_1")
    return [
        model.add(Thing("file", path, (f"fileset:{fileset}",), {"name": path})).handle
        for path in call.arguments.get("files", [])
    ]


def find(model: Model, call: Call) -> Result:
    """get_*: at least one object per pattern, unless -quiet (Vivado only warns)."""
    parent = call.values.get("of_objects")
    found: list[str] = []
    for pattern in call.arguments.get("patterns", ["*"]):
        matching = [thing.handle for thing in model.of(call.kind, pattern, parent)]
        if not matching and "quiet" not in call.flags:
            of = f" of {parent}" if parent else ""
            raise ScriptError(f"{call.command}: no {call.kind.replace('_', ' ')} {pattern!r}{of}")
        found += matching
    return found


def board_parts(model: Model, call: Call) -> Result:
    pattern = call.argument("patterns", "*")
    found = sorted(name for name in model.catalog["board_parts"] if fnmatch.fnmatchcase(name, pattern))
    if "latest_file_version" in call.flags:
        found = list({name.rpartition(":")[0]: name for name in found}.values())
    return found


def set_property(model: Model, call: Call) -> Result:
    if "dict" not in call.lists:
        if not {"name", "value"} <= call.arguments.keys():
            raise ScriptError("set_property: wants a name, a value and objects, or -dict and objects")
        pairs = [(call.argument("name"), call.argument("value"))]
    else:
        items = call.lists["dict"]
        if len(items) % 2:
            raise ScriptError("set_property: -dict has a name without a value")
        pairs = list(zip(items[::2], items[1::2], strict=True))
    for handle in call.arguments["objects"]:
        thing = model.get(handle)
        for name, value in pairs:
            _set(model, thing, name.lower(), value)
    return None


def _set(model: Model, thing: Thing, name: str, value: str) -> None:
    if thing.kind == "bd_cell" and name.startswith("config."):
        parameters = {f"config.{key.lower()}": rule for key, rule in thing.spec["config"].items()}
        if name not in parameters:
            raise ScriptError(f"set_property: {thing.name} has no parameter {name}")
        if thing.spec.get("preset") and "preset" not in thing.properties:
            raise ScriptError(
                f"set_property: {thing.name} has no board preset yet, which would overwrite {name}"
            )
        if not _allowed(value, parameters[name]):
            raise ScriptError(f"set_property: {name} = {value!r} of {thing.name}, must be {parameters[name]}")
        thing.properties[name] = value
        model.build_cell(thing)
        model.changed()
        return
    if name not in model.catalog["properties"].get(thing.kind, {}).get("set", []):
        raise ScriptError(f"set_property: {name} of a {thing.kind} cannot be set")
    rule = model.catalog["values"].get(thing.kind, {}).get(name)
    if rule and not all(_allowed(word, rule) for word in model.split(value)):
        raise ScriptError(f"set_property: {name} = {value!r} of a {thing.kind}, must be {rule}")
    if name == "board_part":
        checks.board_part(model, value)
    for folder in model.split(value) if name == "ip_repo_paths" else ():
        if not Path(folder).is_dir():
            raise ScriptError(f"set_property: ip_repo_paths {folder} is not a folder")
    if name in ("slave_memory_map_ref", "master_address_space_ref"):
        kind = "memory_map" if name.startswith("slave") else "address_space"
        model.get(f"{kind}:{value}")
    if name == "top":
        checks.top(model, value)
    thing.properties[name] = value
    model.core_checked = False


def _allowed(value: str, rule: str) -> bool:
    if ".." in rule:
        low, high = rule.split("..")
        form = r"\d+(\.\d+)?" if "." in low else r"\d+"
        return bool(re.fullmatch(form, value)) and float(low) <= float(value) <= float(high)
    return value in rule.split("|")


def get_property(model: Model, call: Call) -> Result:
    thing = model.get(call.argument("object"))
    name = call.argument("name").lower()
    known = model.catalog["properties"].get(thing.kind, {})
    if name not in (*known.get("read", []), *known.get("set", [])) and not name.startswith("config."):
        raise ScriptError(f"get_property: a {thing.kind} has no property {name}")
    return thing.properties.get(name, "")


def update_catalog(model: Model, call: Call) -> Result:
    assert model.project is not None
    folders = [
        Path(name).resolve() for name in model.split(model.project.properties.get("ip_repo_paths", ""))
    ]
    for vlnv, spec in list(model.ips.items()):
        if "packaged_in" in spec and Path(spec["packaged_in"]).resolve() in folders:
            model.ips[vlnv] = {**spec, "listed": True}
    return None


# --- IP packager ---


def package_project(model: Model, call: Call) -> Result:
    top = model.get("fileset:sources_1").properties.get("top")
    source = next((thing for thing in model.of("file") if Path(thing.name).stem == top), None)
    if top is None or source is None or Path(source.name).suffix != ".v":
        raise ScriptError(f"ipx::package_project: top {top!r} is no Verilog source of the project (UG1118)")
    root = Path(call.values["root_dir"])
    for thing in model.of("file"):
        if "import_files" not in call.flags and not Path(thing.name).is_relative_to(root):
            raise ScriptError(f"ipx::package_project: {thing.name} is outside -root_dir {root}")
    interfaces = packager.interfaces_of(Path(source.name), top)
    model.core = model.add(Thing("core", top, (), {"root": str(root)}, {"interfaces": interfaces}))
    for key in ("vendor", "library"):
        model.core.properties[key] = call.values.get(key, "")
    for name, entry in interfaces.items():
        model.add(Thing("bus_interface", name, (model.core.handle,), {"name": name}))
        for port, _, _ in entry.signals.values():
            model.add(Thing("port", port, (model.core.handle,), {"name": port}))
    sources = [Path(thing.name) for thing in model.of("file", parent="fileset:sources_1")]
    if model.verilator is not None:
        hdl.elaborate(top, sources, model.verilator)
        model.elaborated = True
    return None


def add(model: Model, call: Call) -> Result:
    """ipx::add_*: an object below another; names below the core are unique, others below their parent."""
    parents = [handles[0] for argument, handles in call.arguments.items() if argument != "name"]
    if not parents:
        raise ScriptError(f"{call.command}: name the object that it belongs to")
    parent, name = model.get(parents[0]), call.argument("name")
    full = name if parent.kind == "core" else f"{parent.name}/{name}"
    model.core_checked = False
    return model.add(Thing(call.kind, full, (parent.handle,), {"name": name})).handle


def check_core(model: Model, call: Call) -> Result:
    checks.core(model)
    model.core_checked = True
    return "1"


def save_core(model: Model, call: Call) -> Result:
    assert model.core is not None
    if not model.core_checked:
        raise ScriptError("ipx::save_core: the core is not checked (ipx::check_integrity)")
    core = model.core.properties
    spec = packager.ip_spec(model.core.spec["interfaces"], checks.core(model))
    vlnv = ":".join(core.get(key, "") for key in ("vendor", "library", "name", "version"))
    model.ips[vlnv] = {**spec, "packaged_in": core["root"], "listed": False}
    (Path(core["root"]) / "component.xml").write_text("recorded, not packaged\n")
    return None
