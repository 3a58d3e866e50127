# SPDX-License-Identifier: Apache-2.0
"""What each kind of tensor costs: its parts make the whole."""

from __future__ import annotations

from dataclasses import replace

import pytest

pytest.importorskip("torch", reason="needs the `models` extra")

from quant_models.network.config import M3VIT_MICRO
from quant_models.network.init import new_model, procedural_images
from quant_models.quantization.fold import fake_quantize
from quant_models.quantization.sensitivity import costs, quantizers

pytestmark = pytest.mark.models


def test_parts_make_the_whole() -> None:
    """Of a network without experts: a token that changes its expert would count in several parts."""
    config = replace(M3VIT_MICRO, moe_layers=())
    net = new_model(config)
    model, _ = fake_quantize(net, procedural_images(config, 8, seed=1))
    calls: list[int] = []
    together, found = costs(net, model, procedural_images(config, 4, seed=2), calls.append)
    assert len(calls) == len(found) == len(quantizers(model))
    noise = {cost.tensor: 10 ** (-cost.rounded_db / 10) for cost in found}
    groups = {"all weights", "all activations"}
    whole = 10 ** (-together / 10)
    assert sum(noise[kind] for kind in noise.keys() - groups) == pytest.approx(whole, rel=0.1)
    assert sum(noise[kind] for kind in groups) == pytest.approx(whole, rel=0.1)
    by_name = {cost.tensor: cost for cost in found}
    for one, other in (("all weights", "all activations"), ("all activations", "all weights")):
        assert by_name[one].float_db == by_name[other].rounded_db  # all else is rounded, or nothing else
