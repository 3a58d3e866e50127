# SPDX-License-Identifier: Apache-2.0
"""Runs a Vivado script in a real Tcl interpreter against the table of commands."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vivado_recorder.effects import EFFECTS
from vivado_recorder.errors import RunFailed, ScriptError, TclMissing
from vivado_recorder.hdl import Verilator
from vivado_recorder.model import Design, Model
from vivado_recorder.table import Call, load_table, parse

HERE = Path(__file__).parent
TIMEOUT_S = 600  # nearly all of it for Verilator
# What a script of ours has no business with.
_HIDDEN = ("exec", "socket", "load", "exit", "open", "cd")
_XDC_TCL = {"set", "expr", "list"}  # all of Tcl that a constraint file may use (UG903)


@dataclass(frozen=True)
class Recording:
    """What a script did: all calls in order, and the block design that it made."""

    calls: tuple[Call, ...]
    design: Design | None
    model: Model


class _Recorder:
    def __init__(self, interpreter: Any, verilator: Verilator | None, table: str, folder: Path) -> None:
        self.interpreter = interpreter
        self.table = load_table(HERE / table)
        self.folder = folder
        self.model = Model(HERE / "catalog.toml", interpreter.splitlist, verilator, folder)
        self.calls: list[Call] = []
        self.failures: list[str] = []

    def call(self, name: str, *words: str) -> tuple[str, Any]:
        """(0, result) or (1, message), for the Tcl side to return or raise."""
        try:
            entry = self.table[name]
            call = parse(name, entry, words, self.interpreter.splitlist)
            for need in filter(None, [entry.get("needs")]):
                self.model.need(need)
            self._check_objects(call, entry)
            self._check_files(call, entry)
            result = EFFECTS[entry["effect"]](self.model, call)
        except RunFailed as error:
            return "1", str(error)  # which is not the script's fault
        except ScriptError as error:
            text = str(error) if str(error).startswith(name) else f"{name}: {error}"
            self.failures.append(text)
            return "1", text
        self.calls.append(call)
        if entry.get("constrains"):
            try:
                self._run_constraints()
            except ScriptError as error:
                self.failures.append(str(error))
                return "1", str(error)
        return "0", () if result is None else result if isinstance(result, str) else tuple(result)

    def _run_constraints(self) -> None:
        """Vivado does so when it synthesizes: too late for a word that is misspelt."""
        import tkinter

        for file in self.model.of("file", parent="fileset:constrs_1"):
            self.model.constraint_file = file
            try:
                self.interpreter.call("interp", "invokehidden", "constraints", "source", file.name)
            except tkinter.TclError as error:
                raise ScriptError(f"{Path(file.name).name}: {error}") from error
            finally:
                self.model.constraint_file = None

    def _check_objects(self, call: Call, entry: Mapping[str, Any]) -> None:
        for option, kinds in entry.get("objects", {}).items():
            handles: Sequence[str] = call.arguments.get(option, [])
            if option in call.values:
                handles = self.interpreter.splitlist(call.values[option])
                if len(handles) != 1:
                    raise ScriptError(f"{call.command}: -{option} is {len(handles)} objects, must be one")
            for handle in handles:
                self.model.get(handle, *kinds)

    def _check_files(self, call: Call, entry: Mapping[str, Any]) -> None:
        for option in entry.get("files", []):
            for source in call.arguments.get(option, []):
                if not (self.folder / source).is_file():
                    raise ScriptError(f"{call.command}: no file {source}")
        for option in entry.get("writes", []):
            if option not in call.values:
                raise ScriptError(f"{call.command}: -{option} is missing, the result would be lost")
            target = Path(call.values[option])
            if not target.parent.is_dir():
                raise ScriptError(f"{call.command}: no folder {target.parent}")
            target.write_text("recorded, not run\n")


def record(
    script: Path,
    *,
    verilator: Verilator | None = None,
    unmet: int = 0,
    broken: int = 0,
    timeout_s: int = TIMEOUT_S,
    table: str = "commands.toml",
    folder: Path = Path(),
    exported: Mapping[str, Mapping[str, Any]] | None = None,
) -> Recording:
    """Run `script`; files that Vivado would write are made, each with a line saying that it is not real.

    table: of the commands, here Vivado's or vitis_hls.toml. folder: what names of files are relative to.
    verilator: elaborates the HDL of the packaged IP; None: that is left out, `model.elaborated` is False.
    exported: IP that another script has made, as its `model.exported` has them.
    unmet: so many implementations do not meet their timing, the others do. broken: so many fail before that.

    Raises:
        ScriptError: the script is wrong, by the table, by Tcl, or takes longer than `timeout_s`.
        TclMissing: this Python has no Tcl.
    """
    try:
        import tkinter

        interpreter: Any = tkinter.Tcl()
    except ImportError as error:
        raise TclMissing(f"Python's tkinter is missing (Debian: python3-tk): {error}") from error
    recorder = _Recorder(interpreter, verilator, table, folder)
    recorder.model.unmet, recorder.model.broken = unmet, broken
    recorder.model.ips |= exported or {}
    interpreter.createcommand("recorder_call", recorder.call)
    interpreter.eval("""
        proc recorder_proxy {args} {
          lassign [recorder_call {*}$args] failed value
          if {$failed} { return -code error $value }
          return $value
        }
        interp create vivado
        interp eval vivado {namespace eval ipx {}}
        interp create constraints
    """)
    for name in interpreter.splitlist(interpreter.eval("interp eval constraints {info commands}")):
        if name not in _XDC_TCL:
            interpreter.call("interp", "hide", "constraints", name)
    for name, entry in recorder.table.items():
        interpreter.call("interp", "alias", "vivado", name, "", "recorder_proxy", name)
        if entry.get("xdc"):
            interpreter.call("interp", "alias", "constraints", name, "", "recorder_proxy", name)
    for name in _HIDDEN:
        interpreter.call("interp", "hide", "vivado", name)
    deadline = int(time.time()) + timeout_s
    interpreter.call("interp", "limit", "vivado", "time", "-seconds", str(deadline))
    try:
        interpreter.call("interp", "eval", "vivado", ("source", str(script)))
    except tkinter.TclError as error:
        where = str(interpreter.call("interp", "eval", "vivado", "set ::errorInfo"))
        raise ScriptError(f"{script.name}: {error}\n{where}") from error
    if recorder.failures:
        raise ScriptError(f"{script.name} hides failures with catch: " + "; ".join(recorder.failures))
    return Recording(tuple(recorder.calls), recorder.model.design, recorder.model)
