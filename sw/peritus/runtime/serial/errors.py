# SPDX-License-Identifier: Apache-2.0
"""What can go wrong on the line. All are DeviceErrors: the next call of a device starts the board again."""

from peritus.runtime.driver.errors import BoardError, DeviceTimeout
from peritus.runtime.errors import DeviceError


class LinkError(DeviceError):
    """The line or the board's end of it failed."""


class LinkTimeout(LinkError, DeviceTimeout):
    """No answer at all, although the request was repeated."""


class LinkCorrupted(LinkError):
    """Answers came, but none was undamaged, although the request was repeated."""


class LinkRefused(LinkError):
    """The board understood the request and refused it; names the reason."""


class PortError(LinkError, BoardError):
    """The serial port cannot be opened or has gone."""
