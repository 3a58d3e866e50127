# SPDX-License-Identifier: Apache-2.0
"""A sample of the damaged states and journals of `tests.quant_models.training.mutations`."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="training needs the extra 'models'")

from tests.quant_models.training.mutations import FORMATS

pytestmark = pytest.mark.models


@pytest.mark.parametrize(
    ("name", "expected"),
    [("state", {"refused", "understood"}), ("journal", {"recovered", "understood"})],
)
def test_damaged_files(name: str, expected: set[str]) -> None:
    make, mutate, judge = FORMATS[name]
    data = make()
    found = {seed: judge(damaged, kind) for seed in range(200) for kind, damaged in [mutate(data, seed)]}
    assert set(found.values()) == expected, found
    assert judge(data, "whole") == "understood"
