# SPDX-License-Identifier: Apache-2.0
"""Errors of pages and traces."""

from peritus.errors import PeritusError


class PageError(PeritusError):
    """A page cannot be made; says what is missing."""


class TraceError(PeritusError):
    """A trace cannot be written; says what is missing."""
