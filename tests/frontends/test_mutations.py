# SPDX-License-Identifier: Apache-2.0
"""A sample of the damaged files of `make fuzz`: each is refused by a typed error, or understood."""

from __future__ import annotations

from collections.abc import Callable

import pytest

pytest.importorskip("onnx", reason="reading QONNX needs the extra 'models'")

from tests.frontends.mutations import KINDS, float_network, float_verdict, mutated, verdict

pytestmark = pytest.mark.models


def test_damaged_files(exported: Callable[..., bytes]) -> None:
    found = {seed: verdict(mutated(exported(), seed)[1]) for seed in range(2 * len(KINDS))}
    assert set(found.values()) == {"refused", "understood"}


def test_damaged_float_files() -> None:
    """Some of each verdict, and one whose node ONNX Runtime accepts in the file and not by itself."""
    data = float_network()
    found = [float_verdict(mutated(data, seed)[1]) for seed in (*range(8), 1772)]
    assert set(found) == {"refused", "understood"} and found[-1] == "refused"


def test_a_truncated_file_is_refused(exported: Callable[..., bytes]) -> None:
    data = exported()
    assert verdict(data) == "understood"
    assert verdict(data[: len(data) // 2]) == "refused"
