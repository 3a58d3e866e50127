# SPDX-License-Identifier: Apache-2.0
"""One bit field of a 32-bit register; peritus.arch.registers lists all of them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Field:
    """Bits [lsb + width - 1 : lsb] of a register."""

    lsb: int
    width: int

    @property
    def mask(self) -> int:
        """The field's bits, in place."""
        return ((1 << self.width) - 1) << self.lsb

    def of(self, word: int) -> int:
        """The field's value in a register word."""
        return (word & self.mask) >> self.lsb

    def word(self, value: int) -> int:
        """A register word with this field set; ValueError if the value does not fit."""
        if not 0 <= value < 1 << self.width:
            raise ValueError(f"value {value} does not fit a field of {self.width} bits")
        return value << self.lsb
