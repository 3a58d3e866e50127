# SPDX-License-Identifier: Apache-2.0
"""Fixture for the tests of networks: `def test_mine(peritus_check): peritus_check("net.safetensors",
hw="zcu104")`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from peritus.check import TaskReport


@pytest.fixture(scope="session")
def peritus_check() -> Callable[..., list[TaskReport]]:
    """peritus.check.check: a test that calls it fails as its error says; simulators are kept in the cache."""
    from peritus.check import check

    return check
