# SPDX-License-Identifier: Apache-2.0
"""A small model and a simulated board whose wire the tests may disturb."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from peritus.arch.config import load_config
from peritus.bundle import Bundle
from peritus.compiler import compile_model
from peritus.ir.random_model import Dims, random_image, random_model
from peritus.runtime.device import Result
from peritus.runtime.iss.device import IssDevice
from peritus.runtime.serial.client import Patience
from peritus.runtime.serial.transport import Transport
from peritus.runtime.virtual.ulx3s import UartSimDevice

NANO = load_config("nano")
SMALL = Dims(height=16, width=16, d=8, heads=1, layers=2, hidden=8, expert_hidden=8, task_channels=(1,))

# Of simulated time, for short answers: a time-out costs 100,000 cycles.
PATIENCE = Patience(timeout_s=0.002)

Disturb = Callable[[bytes], bytes]


def nothing(data: bytes) -> bytes:
    return data


class Wire:
    """A transport whose bytes pass through two functions: to the board, and from it."""

    def __init__(self, inner: Transport) -> None:
        self.inner = inner
        self.to_board: Disturb = nothing
        self.from_board: Disturb = nothing
        self.sent = 0

    @property
    def byte_s(self) -> float:
        return self.inner.byte_s

    def now(self) -> float:
        return self.inner.now()

    def write(self, data: bytes, timeout_s: float) -> None:
        self.sent += len(data)
        if data := self.to_board(data):
            self.inner.write(data, timeout_s)

    def read(self, timeout_s: float) -> bytes:
        end = self.now() + timeout_s
        while data := self.inner.read(end - self.now()):
            if data := self.from_board(data):
                return data
        return b""

    def close(self) -> None:
        self.inner.close()


@pytest.fixture(scope="session")
def small() -> Bundle:
    return compile_model(random_model(SMALL), NANO)


@pytest.fixture(scope="session")
def small_image() -> NDArray[np.uint8]:
    return random_image(SMALL)


@pytest.fixture(scope="session")
def expected(small: Bundle, small_image: NDArray[np.uint8]) -> Result:
    with IssDevice(NANO) as reference:
        reference.load(small)
        return reference.run(small_image, task="task0", features=True)


class Board(UartSimDevice):
    """The simulated board with a disturbable wire, whichever plug is in use."""

    wire: Wire

    def __init__(self, preloaded: Bundle) -> None:
        def plug(inner: Transport) -> Wire:
            self.wire = Wire(inner)
            return self.wire

        super().__init__(NANO, preloaded=preloaded, wire=plug, patience=PATIENCE)


@pytest.fixture(scope="session")
def shared_board(small: Bundle) -> Iterator[Board]:
    with Board(small) as device:
        yield device


@pytest.fixture
def board(shared_board: Board, small: Bundle) -> Iterator[Board]:
    """Loaded and quiet; whatever a test did to the wire is over when it ends."""
    if shared_board._bundle is None:
        shared_board.load(small)
    yield shared_board
    shared_board.wire.to_board = shared_board.wire.from_board = nothing
