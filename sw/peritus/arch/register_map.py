# SPDX-License-Identifier: Apache-2.0
"""Registers with their bit fields, for descriptions that other tools read (IP-XACT)."""

from __future__ import annotations

from peritus.arch import registers
from peritus.arch.register_field import Field


def register_fields() -> dict[registers.Offset, dict[str, Field]]:
    """Of every register its fields by name, without the register's own name in front."""
    return {
        offset: {
            name.removeprefix(f"{offset.name}_"): field
            for name, field in vars(registers).items()
            if isinstance(field, Field) and name.startswith(f"{offset.name}_")
        }
        for offset in registers.Offset
    }
