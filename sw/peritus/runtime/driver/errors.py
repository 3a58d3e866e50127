# SPDX-License-Identifier: Apache-2.0
"""What can go wrong with a device; reset() makes it usable again (unless it is a ForeignDevice)."""

from peritus.runtime.errors import DeviceError

# What helps against a bitstream of another version (docs/versions.md).
BUILD_AGAIN = "build the bitstream from this checkout: peritus build BOARD"


class DeviceTimeout(DeviceError):
    """The accelerator did not answer within its limit; carries the state of its sequencer."""


class PortTimeout(DeviceTimeout):
    """A memory port did not answer.

    Attributes:
        ports: which, by number (m00 is 0). write: it was written to, not read. address: of the next byte that
        is waited for, None where nobody sees it.
    """

    def __init__(
        self, message: str, ports: tuple[int, ...], *, write: bool, address: int | None = None
    ) -> None:
        super().__init__(message)
        self.ports = ports
        self.write = write
        self.address = address


class ForeignDevice(DeviceError):
    """The registers are not those of the accelerator that was asked for: other ID, ABI or configuration."""


class JobRefused(DeviceError):
    """A job or program was offered while the device could not take it."""


class InstructionError(DeviceError):
    """The sequencer stopped at an instruction that it cannot execute.

    Attributes:
        instruction: its index in the program.
    """

    def __init__(self, message: str, instruction: int) -> None:
        super().__init__(message)
        self.instruction = instruction


class MemoryAccessError(DeviceError):
    """A memory access stopped the device.

    Attributes:
        instruction: index of the exec instruction (of the fetch entry for weights).
        address: first byte of the offending burst.
    """

    def __init__(self, message: str, instruction: int, address: int) -> None:
        super().__init__(message)
        self.instruction = instruction
        self.address = address


class GuardError(MemoryAccessError):
    """The program tried to leave the buffers given to it; the access was not made."""


class DeviceBusError(MemoryAccessError):
    """The memory system answered an access with an error."""


class BoardError(DeviceError):
    """The board cannot be used: no PYNQ, no bitstream, no memory, no rights."""
