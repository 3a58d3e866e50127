# SPDX-License-Identifier: Apache-2.0
"""Errors of the simulation tools."""

from pathlib import Path

from peritus.errors import PeritusError

TAIL_LINES = 40


class ToolchainError(PeritusError):
    """A tool is missing, failed, or took longer than its limit."""


class ToolNotFound(ToolchainError):
    """A program or package that a build needs is not installed; says how to get it."""


class CacheLockTimeout(ToolchainError):
    """Another process holds the cache entry longer than the limit."""


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
