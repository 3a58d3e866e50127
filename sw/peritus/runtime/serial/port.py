# SPDX-License-Identifier: Apache-2.0
"""A serial port as a transport, by pyserial."""

from __future__ import annotations

import importlib
import time
from types import ModuleType
from typing import Any

from peritus.resources import how_to_install
from peritus.runtime.serial.errors import PortError

BITS_PER_BYTE = 10
LEAST_S = 0.01  # a time-out of 0 would make pyserial write a part and say nothing


class SerialTransport:
    """A serial port, opened for this process alone.

    Args:
        port: for example /dev/ttyUSB0. baud: bits per second.

    Raises:
        PortError: pyserial is not installed; no such port, no rights, or somebody else has it.
    """

    def __init__(self, port: str, baud: int) -> None:
        if baud < 1:
            raise PortError(f"serial port {port} at {baud} baud: must be 1 or more")
        self._name = port
        self.byte_s = BITS_PER_BYTE / baud
        serial = _pyserial()
        self._failures = (serial.SerialException, OSError)
        try:
            self._port: Any = serial.Serial(port, baud, timeout=0, write_timeout=0, exclusive=True)
        except (*self._failures, ValueError, OverflowError) as error:
            raise PortError(f"serial port {port} at {baud} baud: {error}") from error

    def now(self) -> float:
        """Seconds."""
        return time.monotonic()

    def write(self, data: bytes, timeout_s: float) -> None:
        """Hand over bytes to be sent; PortError if the port has gone or has not taken all in `timeout_s`."""
        try:
            self._port.write_timeout = max(timeout_s, LEAST_S)
            self._port.write(data)
        except self._failures as error:
            raise PortError(f"serial port {self._name}: {error}") from error

    def read(self, timeout_s: float) -> bytes:
        """What has come, at least one byte; empty after `timeout_s`. PortError if the port has gone."""
        try:
            self._port.timeout = max(timeout_s, 0.0)
            first = self._port.read(1)
            return bytes(first + self._port.read(self._port.in_waiting)) if first else b""
        except self._failures as error:
            raise PortError(f"serial port {self._name}: {error}") from error

    def close(self) -> None:
        """Give the port back."""
        self._port.close()


def find_port(vendor: int, products: tuple[int, ...]) -> str:
    """The only port with one of these USB IDs; PortError if there is none or a choice."""
    _pyserial()
    ports = importlib.import_module("serial.tools.list_ports").comports()
    found = sorted(port.device for port in ports if port.vid == vendor and port.pid in products)
    if len(found) != 1:
        what = f"several boards: {', '.join(found)}" if found else "no board found on USB"
        raise PortError(f"{what}; name the serial port (port=...)")
    return str(found[0])


def _pyserial() -> ModuleType:
    try:
        return importlib.import_module("serial")
    except ImportError as error:
        raise PortError(f"pyserial is not installed: {how_to_install('link')}") from error
