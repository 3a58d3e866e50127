# SPDX-License-Identifier: Apache-2.0
"""What can go wrong with a simulated design."""

from peritus.errors import PeritusError


class SimulationError(PeritusError):
    """The simulated hardware misbehaved or was used wrongly."""


class DesignStopped(SimulationError):
    """An assertion, $stop or $fatal of the design ended the simulation; only closing it is possible."""


class ProtocolError(SimulationError):
    """The design broke a rule of AXI or accessed memory that does not exist."""


class RegisterTimeout(SimulationError):
    """A register access got no answer within its limit."""


class RegisterError(SimulationError):
    """A register access was answered with an error (no such register)."""
