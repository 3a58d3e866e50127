# SPDX-License-Identifier: Apache-2.0
"""Twins of the configurations, opened once."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from peritus.arch.config import load_config
from peritus.eda.csim import Binding
from peritus.runtime.hls.device import HlsDevice

Twins = Callable[..., HlsDevice]


@pytest.fixture(scope="session")
def twin() -> Iterator[Twins]:
    """The device of a configuration by name, and by binding."""
    opened: dict[tuple[str, Binding], HlsDevice] = {}

    def get(hw: str, binding: Binding = Binding.FAST) -> HlsDevice:
        if (hw, binding) not in opened:
            opened[hw, binding] = HlsDevice(load_config(hw), binding=binding)
        return opened[hw, binding]

    yield get
    for device in opened.values():
        device.close()
