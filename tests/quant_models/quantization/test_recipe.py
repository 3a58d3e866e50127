# SPDX-License-Identifier: Apache-2.0
"""What a recipe promises; GPTQ and 4 bits have files of their own."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("torch")

from quant_models.network.config import M3VIT_MICRO, ConfigError
from quant_models.network.init import new_model, procedural_images
from quant_models.quantization.fold import fake_quantize
from quant_models.quantization.recipe import Recipe

pytestmark = pytest.mark.models


def test_baseline_has_one_scale_per_tensor() -> None:
    net = new_model(M3VIT_MICRO)
    images = procedural_images(M3VIT_MICRO, 16, seed=1)
    model, report = fake_quantize(net, images, Recipe(scales="tensor"))
    for name, found in report.scales.items():
        assert found.alpha == 0.0 and found.end == 1.0
        assert float(found.scales.min()) == float(found.scales.max()), name
    q, k = (
        [
            report.scales[f"backbone.blocks.0.attn.{name}{head}"].scales[0]
            for head in range(net.config.n_heads)
        ]
        for name in "qk"
    )
    assert len(set(map(float, q))) == 1 and len(set(map(float, k))) == 1
    value_factor = model.backbone.layers[0].attn.value_factor
    assert float(value_factor.min()) == float(value_factor.max())


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"scales": "row"}, "scales = 'row', expected one of channel, tensor"),
        ({"expert_bits": 5}, "expert_bits = 5, must be 8 or 4"),
    ],
)
def test_wrong_recipes(fields: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Recipe(**fields)
