# SPDX-License-Identifier: Apache-2.0
"""Blocks of the serial link, one by one, and the memory behind it."""

from collections.abc import Callable

import pytest

pytestmark = pytest.mark.sim


def test_uart_rx(bench: Callable[..., None]) -> None:
    bench("uart_rx", parameters={"ClocksPerBit": 25})


def test_uart_tx(bench: Callable[..., None]) -> None:
    bench("uart_tx", parameters={"ClocksPerBit": 25})


@pytest.mark.parametrize("banks", [3, 4])
def test_axi_memory(bench: Callable[..., None], banks: int) -> None:
    bench("axi_memory", parameters={"Banks": banks})


def test_frame_rx(bench: Callable[..., None]) -> None:
    bench("frame_rx")


def test_frame_tx(bench: Callable[..., None]) -> None:
    bench("frame_tx")
