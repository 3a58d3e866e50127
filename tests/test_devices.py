# SPDX-License-Identifier: Apache-2.0
"""The table of devices, and devices that other packages bring."""

from __future__ import annotations

import inspect
import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from peritus.cli import app
from peritus.devices import (
    BUILT_IN,
    DeviceEntryError,
    DeviceOptionError,
    DeviceSpec,
    UnknownDeviceError,
    device_class,
    find_device,
    installed_devices,
)
from peritus.runtime import open_device
from peritus.runtime.iss.device import IssDevice
from tests.common.copy_program import HW, IMAGE, bundle

PLUGIN = """
from peritus.devices import DeviceSpec, Option
from peritus.runtime.iss.device import IssDevice

class Mine(IssDevice):
    name = "mine"
    def __init__(self, hw, gain=1):
        super().__init__(hw)
        self.gain = gain

GAIN, NUMBER = Option("gain", "of it", int), Option("port", "by number", int)
MINE = DeviceSpec("mine", "my_devices:Mine", "a device of mine", "simulated", options=(GAIN,))
TAKEN = DeviceSpec("rtl", "my_devices:Mine", "not rtl", "simulated")
ALIAS = DeviceSpec("other", "my_devices:Mine", "not the reference", "simulated", aliases=("reference",))
RENAMED = DeviceSpec("somebody", "my_devices:Mine", "under another name", "simulated")
PORT = DeviceSpec("ported", "my_devices:Mine", "a port by number", "simulated", options=(NUMBER,))
GONE = DeviceSpec("gone", "my_devices:Gone", "a class that is not there", "simulated")
"""
ENTRIES = """[peritus.devices]
mine = my_devices:MINE
rtl = my_devices:TAKEN
other = my_devices:ALIAS
nobody = my_devices:RENAMED
ported = my_devices:PORT
gone = my_devices:GONE
number = my_devices:__doc__
broken = no_such_module:DEVICE
"""


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A distribution `my-devices` with good and bad entries."""
    (tmp_path / "my_devices.py").write_text(PLUGIN)
    info = tmp_path / "my_devices-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-devices\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRIES)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "my_devices", raising=False)


@pytest.mark.usefixtures("plugin")
def test_another_package_adds_a_device() -> None:
    with open_device("mine", HW, gain=3) as device:
        device.load(bundle())
        assert device.run(IMAGE, task="first").task.name == "first"
        assert device.gain == 3  # type: ignore[attr-defined]
    with pytest.raises(DeviceOptionError, match="device mine has no option 'waves'; its options: gain"):
        open_device("mine", HW, waves="x.fst")


@pytest.mark.usefixtures("plugin")
def test_bad_entries_are_named_and_break_nothing() -> None:
    found, wrong = installed_devices()
    assert set(found) == {spec.name for spec in BUILT_IN} | {"mine", "gone"}
    said = {name: str(error) for name, error in wrong.items()}
    assert set(said) == {"rtl", "other", "nobody", "ported", "number", "broken"}
    assert "device 'rtl' of my-devices: the name 'rtl' is taken" in said["rtl"]
    assert "the name 'reference' is taken" in said["other"]
    assert "calls itself 'somebody'" in said["nobody"]
    assert "option port is a int, of another device it is a str" in said["ported"]
    assert "is a NoneType, must be a DeviceSpec" in said["number"]
    assert "cannot be loaded: ModuleNotFoundError" in said["broken"]
    assert found["rtl"] is find_device("rtl") and find_device("rtl") in BUILT_IN
    with pytest.raises(DeviceEntryError, match="no_such_module"):
        find_device("broken")
    with pytest.raises(DeviceEntryError, match="my_devices:Gone is not there"):
        open_device("gone", HW)
    with pytest.raises(UnknownDeviceError, match=r"unknown device 'fpga'; known: iss, .*mine, gone"):
        find_device("fpga")
    doctor = json.loads(CliRunner().invoke(app, ["doctor", "--json", "-"]).stdout)
    rows = {check["name"]: check for check in doctor["checks"]}
    assert not rows["device broken"]["ok"] and "no_such_module" in rows["device broken"]["found"]


def test_the_simulator_has_an_alias_and_one_name() -> None:
    with open_device("reference", HW) as device:
        assert isinstance(device, IssDevice) and device.name == "iss"
    assert find_device("reference") is find_device("iss")


@pytest.mark.parametrize("spec", BUILT_IN, ids=lambda spec: spec.name)
def test_the_table_says_what_the_class_takes(spec: DeviceSpec) -> None:
    opener = device_class(spec, {})
    assert opener.name == spec.name
    _, *parameters = inspect.signature(opener).parameters
    assert set(parameters) == {option.name for option in spec.options}
    assert spec.help and all(option.help for option in spec.options)


def test_the_command_line_is_made_from_the_table() -> None:
    lines = CliRunner().invoke(app, ["run", "--help"], env={"COLUMNS": "400"}).output.split()
    text = " ".join(lines)
    for spec in BUILT_IN:
        assert f"{spec.name}: {spec.help}" in text
        for option in spec.options:
            flag = f"--{option.name.replace('_', '-')}"
            assert (flag in text) == (option.type is not None)


def table_of_the_docs() -> str:
    """What docs/driver.md must have between its markers."""
    lines = ["| `open_device(...)` | runs on | needs |", "|---|---|---|"]
    for spec in BUILT_IN:
        names = " or ".join(f'`"{name}"`' for name in (spec.name, *spec.aliases))
        needs = ", ".join(
            [*(["the board"] if spec.kind == "board" else []), *(f"`[{e}]`" for e in spec.extras)]
        )
        lines.append(f"| {names} | {spec.help} | {needs or 'base install'} |")
    return "\n".join(lines)


def test_the_docs_have_the_table(repository: Path) -> None:
    text = (repository / "docs" / "driver.md").read_text()
    found = text.split("<!-- devices -->\n")[1].split("\n<!-- end of devices -->")[0]
    assert found == table_of_the_docs(), f"put this between the markers:\n{table_of_the_docs()}"
