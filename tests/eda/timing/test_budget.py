# SPDX-License-Identifier: Apache-2.0
"""`nano` keeps 300 MHz by the estimate. A file of its own: the first synthesis takes minutes."""

import pytest

from peritus.arch.config import load_config
from peritus.eda.timing.estimate import check_budget, estimate_timing

BUDGET_NS = 3.33


@pytest.mark.synth
def test_nano_keeps_its_budget() -> None:
    result = estimate_timing(load_config("nano"), budget_ns=BUDGET_NS, timeout_s=1400)
    (domain,) = result.domains
    assert domain.ends > 10_000
    check_budget(result)
