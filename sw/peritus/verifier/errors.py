# SPDX-License-Identifier: Apache-2.0
"""Why a program is refused."""

from __future__ import annotations

from peritus.bundle import BundleError


class ProgramRefused(BundleError):
    """A program that devices might not execute alike, or not to its end.

    Names the instruction, the value and the limit. rule: the short name of what is broken.
    """

    def __init__(self, rule: str, message: str) -> None:
        super().__init__(message)
        self.rule = rule


def need(ok: bool, rule: str, message: str) -> None:
    """ProgramRefused unless `ok`."""
    if not ok:
        raise ProgramRefused(rule, message)
