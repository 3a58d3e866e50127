# SPDX-License-Identifier: Apache-2.0
"""Commands that need more than the base install."""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Callable
from typing import ParamSpec

from peritus.errors import PeritusError

P = ParamSpec("P")


class ExtraMissingError(PeritusError):
    """A command needs an optional part of the installation; names how to get it."""


def needs_models(command: Callable[P, None]) -> Callable[P, None]:
    """Say what to install where PyTorch and Brevitas are missing."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        missing = [name for name in ("torch", "brevitas") if importlib.util.find_spec(name) is None]
        if missing:
            raise ExtraMissingError(
                f"{' and '.join(missing)} not installed: in a checkout, make venv installs the extra 'models'"
            )
        command(*args, **kwargs)

    return run
