# SPDX-License-Identifier: Apache-2.0
"""A line that carries bytes both ways, and loses or damages some of them."""

from __future__ import annotations

from typing import Protocol


class Transport(Protocol):
    """Implemented by .port (a serial port) and peritus.runtime.virtual.uart_line (simulated pins)."""

    @property
    def byte_s(self) -> float:
        """Seconds that a byte takes on the line."""
        ...

    def now(self) -> float:
        """Seconds of the line's own time, from anywhere on; deadlines are kept by it."""
        ...

    def write(self, data: bytes, timeout_s: float) -> None:
        """Hand over bytes to be sent; PortError if the line has gone or does not take them in time."""
        ...

    def read(self, timeout_s: float) -> bytes:
        """What has come, at least one byte; empty after `timeout_s`, in the line's own time. PortError.

        A timeout of 0 or less takes what is there already.
        """
        ...

    def close(self) -> None:
        """Give the line back; again is harmless."""
        ...
