# SPDX-License-Identifier: Apache-2.0
"""Blocks of the serial link, one by one, and the memory behind it."""

from collections.abc import Callable
from typing import Any

import pytest

from peritus.resources import resource

pytestmark = pytest.mark.sim


@pytest.fixture
def bench(run_bench: Callable[..., Any]) -> Callable[..., None]:
    """Runs tests/rtl/benches/bench_<top>.py on `top` and the files it needs besides."""

    def launch(top: str, *files: str, **parameters: int) -> None:
        sources = [resource("rtl/generated/link/link_pkg.sv")]
        sources += [resource(f"rtl/link/{file}.sv") for file in (*files, top)]
        run_bench(top, sources, f"tests.rtl.benches.bench_{top}", parameters=parameters, plusargs=parameters)

    return launch


@pytest.mark.parametrize("top", ["uart_rx", "uart_tx"])
def test_uart(bench: Callable[..., None], top: str) -> None:
    bench(top, ClocksPerBit=25)


@pytest.mark.parametrize("banks", [3, 4])
def test_memory(bench: Callable[..., None], banks: int) -> None:
    bench("axi_memory", "memory_bank", "chain_memory", Banks=banks)


@pytest.mark.parametrize("top", ["frame_rx", "frame_tx"])
def test_frames(bench: Callable[..., None], top: str) -> None:
    bench(top, "crc32")
