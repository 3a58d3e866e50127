# SPDX-License-Identifier: Apache-2.0
"""Everything that runs a bundle, behind one protocol."""

from __future__ import annotations

from typing import Any

from peritus.arch.config import HwConfig, load_config
from peritus.errors import PeritusError
from peritus.runtime.device import Device, NotLoaded, Perf, Result

DEVICE_NAMES = ("reference", "rtl", "pynq", "pynq-sim", "ulx3s", "ulx3s-sim")


class UnknownDeviceError(PeritusError):
    """No device of this name; lists the known ones."""


def open_device(name: str, hw: str | HwConfig, **options: Any) -> Device:
    """A device by name, to be used as a context manager.

    name: "reference" (instruction set simulator, integer NumPy), "rtl" (cycle-accurate simulation of the
    RTL), "pynq" (a board) or "pynq-sim" (the same driver and PYNQ on the simulated RTL), "ulx3s" (a board on
    a serial port) or "ulx3s-sim" (the same driver on the simulated serial line).
    hw: a configuration or its name. options: of the device's class.

    Raises:
        UnknownDeviceError, ConfigError: no such device or hardware.
    """
    config = load_config(hw) if isinstance(hw, str) else hw
    if name == "reference":
        from peritus.runtime.iss.device import ReferenceDevice

        return ReferenceDevice(config, **options)
    if name == "rtl":
        from peritus.runtime.rtl.device import RtlDevice

        return RtlDevice(config, **options)
    if name == "pynq":
        from peritus.runtime.pynq.device import PynqDevice

        return PynqDevice(config, **options)
    if name == "pynq-sim":
        from peritus.runtime.virtual.pynq import PynqSimDevice

        return PynqSimDevice(config, **options)
    if name == "ulx3s":
        from peritus.runtime.serial.device import UartDevice

        return UartDevice(config, **options)
    if name == "ulx3s-sim":
        from peritus.runtime.virtual.ulx3s import UartSimDevice

        return UartSimDevice(config, **options)
    raise UnknownDeviceError(f"unknown device {name!r}; known: {', '.join(DEVICE_NAMES)}")


__all__ = ["DEVICE_NAMES", "Device", "NotLoaded", "Perf", "Result", "UnknownDeviceError", "open_device"]
