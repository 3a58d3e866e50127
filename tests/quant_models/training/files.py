# SPDX-License-Identifier: Apache-2.0
"""Journals and states of training runs for the coverage-guided fuzzer."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from quant_models.training.journal import METRICS_FILE, Journal, curves, read
from quant_models.training.state import STATE_FILE, load_state
from tests.quant_models.training.mutations import IDENTITY, journal_file, network, state_file

NETWORK = network()  # as a state that is refused leaves it
STATE = b'{"'  # behind the length of the header of a .safetensors file


def seeds() -> Iterator[bytes]:
    yield journal_file()
    yield state_file()


def parse(data: bytes) -> None:
    """A journal is recovered, a state loaded."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if data[8:10] == STATE:
            (folder / STATE_FILE).write_bytes(data)
            load_state(folder, IDENTITY, *NETWORK)
            return
        (folder / METRICS_FILE).write_bytes(data)
        Journal(folder, 1 << 40, lambda _: None)
        lines, damaged = read(folder / METRICS_FILE)
        assert not damaged
        curves(lines)
