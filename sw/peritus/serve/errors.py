# SPDX-License-Identifier: Apache-2.0
"""What the server refuses; texts for the one who asked."""

from peritus.errors import PeritusError


class ServeError(PeritusError):
    """What was asked for cannot be done; says why."""


class QueueFull(ServeError):
    """As many jobs wait as may."""
