# SPDX-License-Identifier: Apache-2.0
"""What can go wrong with a tool, a board's description, a project or its reports."""

from pathlib import Path

from peritus.errors import PeritusError

TAIL_LINES = 40


class ToolchainError(PeritusError):
    """A tool is missing, failed, or took longer than its limit."""


class SourceError(ToolchainError):
    """The files of a design cannot be put together; names the module or file."""


class ToolNotFound(ToolchainError):
    """A program or package that a build needs is not installed; says how to get it."""


class BuildError(ToolchainError):
    """A build step failed or ran out of time; carries the end of its log and the log's path."""

    def __init__(self, message: str, log: Path) -> None:
        self.log = log
        self.tail = log_tail(log)
        super().__init__(f"{message}; log {log} ends:\n{self.tail}")


def log_tail(log: Path, lines: int = TAIL_LINES) -> str:
    """The last lines of a log file, empty if there is none."""
    if not log.is_file():
        return ""
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])


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
