# SPDX-License-Identifier: Apache-2.0
"""What can stop a compilation."""

from peritus.errors import PeritusError


class CompileError(PeritusError):
    """The model cannot be compiled for this hardware; names the node."""


class CapacityError(CompileError):
    """The model is too large for one of the hardware's memories or limits.

    Attributes:
        buffer: what does not fit. need, have: in the units that the message names.
        field: of HwConfig, which says how much there is; None: no configuration has more.
    """

    def __init__(
        self, hw: str, buffer: str, need: int, have: int, unit: str, field: str | None = None
    ) -> None:
        super().__init__(f"hardware {hw}: {buffer} needs {need} {unit}, there are {have}")
        self.buffer, self.need, self.have, self.field = buffer, need, have, field
