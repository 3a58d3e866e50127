# SPDX-License-Identifier: Apache-2.0
"""Effects of commands on synthesis and implementation runs."""

from __future__ import annotations

from pathlib import Path

from vivado_recorder.effects_project import Result
from vivado_recorder.errors import RunFailed, ScriptError
from vivado_recorder.model import Model, Thing
from vivado_recorder.table import Call

_AFTER = {"synth_1": None, "impl_1": "synth_1"}


def launch_runs(model: Model, call: Call) -> Result:
    if not call.values.get("jobs", "1").isdigit():
        raise ScriptError(f"launch_runs: jobs = {call.values['jobs']!r}, must be a number")
    for name in call.arguments["runs"]:
        run, before = _run(model, name), _AFTER[_run(model, name).name]
        if before and model.get(f"run:{before}").properties["progress"] != "100%":
            raise ScriptError(f"launch_runs: {run.name} before {before} has finished")
        for stale in (before, run.name):
            if stale and model.get(f"run:{stale}").properties.get("stale"):
                raise ScriptError(f"launch_runs: {stale} is out of date, reset_runs comes first")
        if (
            run.properties["progress"] == "100%"
            and call.values.get("to_step", "") == run.properties["to_step"]
        ):
            raise ScriptError(f"launch_runs: {run.name} has finished, reset_runs comes first")
        if not (model.design and model.design.generated and model.design.validated):
            raise ScriptError("launch_runs: the block design is not validated and generated")
        if not model.get("fileset:sources_1").properties.get("top"):
            raise ScriptError("launch_runs: the project has no top")
        if not model.of("file", parent="fileset:constrs_1"):
            raise ScriptError("launch_runs: the project has no constraint file")
        run.properties["status"] = "Running"
        run.properties["to_step"] = call.values.get("to_step", "")
    return None


def wait_on_runs(model: Model, call: Call) -> Result:
    if not call.values.get("timeout", "").isdigit():
        raise ScriptError("wait_on_runs: -timeout is missing or not a number of minutes")
    for name in call.arguments["runs"]:
        run = _run(model, name)
        if run.properties["status"] != "Running":
            raise ScriptError(f"wait_on_runs: {run.name} was not launched")
        _finish(model, run)
        folder = Path(run.properties["directory"])
        folder.mkdir(parents=True, exist_ok=True)
        if run.properties["to_step"] == "write_bitstream":
            top = model.get("fileset:sources_1").properties["top"]
            (folder / f"{top}.bit").write_text("recorded, not implemented\n")
    return None


def _finish(model: Model, run: Thing) -> None:
    """Complete; an implementation meets its timing, unless the model says that it does not, or fails."""
    if run.name == "impl_1" and model.broken:
        model.broken -= 1
        run.properties |= {"status": "route_design ERROR", "progress": "80%"}
        raise RunFailed(f"wait_on_runs: failed runs: {run.name}")
    anew = run.properties["progress"] != "100%"
    run.properties |= {"status": "Complete", "progress": "100%"}
    if run.name == "impl_1" and anew:
        met = model.unmet == 0
        model.unmet -= not met
        run.properties |= {f"stats.{name}": "0.1" if met else "-0.1" for name in ("wns", "whs", "tpws")}


def reset_runs(model: Model, call: Call) -> Result:
    """Also of all that comes after."""
    for name in call.arguments["runs"]:
        first = _run(model, name).name
        for run in (thing for thing in model.of("run") if first in (thing.name, _AFTER[thing.name])):
            run.properties |= {"status": "Not started", "progress": "0%", "to_step": "", "stale": ""}
    return None


def close_design(model: Model, call: Call) -> Result:
    model.implemented = False
    return None


def write_checkpoint(model: Model, call: Call) -> Result:
    path = Path(call.argument("file"))
    if not path.parent.is_dir():
        raise ScriptError(f"write_checkpoint: no folder {path.parent}")
    path.write_text("recorded, not implemented\n")
    return None


def open_run(model: Model, call: Call) -> Result:
    run = _run(model, call.argument("run"))
    if run.properties["progress"] != "100%":
        raise ScriptError(f"open_run: {run.name} has not finished")
    if model.implemented:
        raise ScriptError("open_run: a design is open, close_design comes first")
    model.implemented = run.name == "impl_1"
    return None


def current_design(model: Model, call: Call) -> Result:
    if call.arguments:
        raise ScriptError("current_design: only asking for the present one is recorded")
    return model.things.setdefault("design:top", Thing("design", "top")).handle


def create_clock(model: Model, call: Call) -> Result:
    """On a port of the IP that is being packaged: in the whole design its clock comes from the processor."""
    assert model.constraint_file is not None
    try:
        period = float(call.values["period"])
    except ValueError:
        period = 0.0
    if period <= 0 or not call.arguments.get("objects"):
        raise ScriptError(f"create_clock: wants a period in ns and ports, has {call}")
    if "out_of_context" not in model.constraint_file.properties.get("used_in", "").split():
        raise ScriptError(f"create_clock: {model.constraint_file.name} is not USED_IN out_of_context")
    for handle in call.arguments["objects"]:
        model.get(handle).properties["period"] = call.values["period"]
    return None


def _run(model: Model, name: str) -> Thing:
    return model.get(name if name.startswith("run:") else f"run:{name}", "run")
