# SPDX-License-Identifier: Apache-2.0
"""Everything that runs a bundle, behind one protocol."""

from __future__ import annotations

from typing import Any

from peritus.arch.config import HwConfig, load_config
from peritus.devices import UnknownDeviceError, device_class, find_device
from peritus.runtime.device import Device, Perf, Result
from peritus.runtime.errors import NotLoaded


def open_device(name: str, hw: str | HwConfig, **options: Any) -> Device:
    """A device of the table in peritus.devices, to be used as a context manager.

    hw: a configuration or its name. options: of the device.

    Raises:
        UnknownDeviceError, DeviceOptionError, ConfigError: no such device, option or hardware.
        DeviceEntryError: another package brings the device, and it cannot be used.
    """
    opener = device_class(find_device(name), options)
    device: Device = opener(load_config(hw), **options)
    return device


__all__ = ["Device", "NotLoaded", "Perf", "Result", "UnknownDeviceError", "open_device"]
