# SPDX-License-Identifier: Apache-2.0
"""A sample of the damaged files of `make fuzz`: each is refused by a typed error, or understood."""

from __future__ import annotations

from collections.abc import Callable

import pytest

pytest.importorskip("onnx", reason="reading QONNX needs the extra 'models'")

from tests.frontends.mutations import KINDS, mutated, verdict

pytestmark = pytest.mark.models


def test_damaged_files(exported: Callable[..., bytes]) -> None:
    found = {seed: verdict(mutated(exported(), seed)[1]) for seed in range(2 * len(KINDS))}
    assert set(found.values()) == {"refused", "understood"}


def test_a_truncated_file_is_refused(exported: Callable[..., bytes]) -> None:
    data = exported()
    assert verdict(data) == "understood"
    assert verdict(data[: len(data) // 2]) == "refused"
