# SPDX-License-Identifier: Apache-2.0
"""What every device may say; `peritus.runtime.driver.errors` adds what hardware can do wrong."""

from peritus.errors import PeritusError


class NotLoaded(PeritusError):
    """A call that needs a bundle before load()."""


class CallError(PeritusError, ValueError):
    """Arguments that do not go together, or are no lists; names what was given and what was expected."""


class DeviceError(PeritusError):
    """The accelerator failed or refused."""


class BufferUnavailable(DeviceError):
    """No frame buffer is free, or the one given is in use."""


class DeviceBusy(DeviceError):
    """Somebody else uses the device: another thread, an unfinished stream, or another process."""


class DeviceClosed(DeviceError):
    """The device has been closed, perhaps by another thread while this one was using it."""
