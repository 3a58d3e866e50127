# SPDX-License-Identifier: Apache-2.0
"""Errors of building for a board."""

from peritus.errors import PeritusError


class BoardFileError(PeritusError):
    """A board is unknown or its description breaks a rule; names the field, value and what was expected."""


class ProjectError(PeritusError):
    """A project cannot be written: a value cannot be used, or a port of the top module is not understood."""


class VivadoNotFound(PeritusError):
    """There is no Vivado to run; the project is written."""


class ReportError(PeritusError):
    """A report of Vivado is truncated or not in the documented form; names the file and what is missing."""


class TimingNotMet(PeritusError):
    """The design does not run at its clock; names the slack."""


class DoesNotFit(PeritusError):
    """By the estimate, a configuration needs more than the device has; names what, and how much."""
