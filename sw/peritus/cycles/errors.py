# SPDX-License-Identifier: Apache-2.0
"""What can be wrong with a question to the cycle model."""

from peritus.errors import PeritusError


class CycleError(PeritusError):
    """The program, or what is said of its routing, cannot be timed."""
