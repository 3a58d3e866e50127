# SPDX-License-Identifier: Apache-2.0
"""4-bit experts from PyTorch to the integer graph, with the clips that make them usable."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from peritus.ir import Experts, affines, execute  # noqa: E402
from quant_models.network.config import M3VIT_MICRO, ConfigError  # noqa: E402
from quant_models.network.noise import snr_db  # noqa: E402
from quant_models.quantization.clips import best_clip, quantize_clipped  # noqa: E402
from quant_models.quantization.fake_quant import QuantM3ViT  # noqa: E402
from quant_models.quantization.quantize import to_uint8  # noqa: E402
from quant_models.quantization.quantizers import quant_linear, weight_of  # noqa: E402

pytestmark = pytest.mark.models

FLOAT_TO_FAKE_QUANT_DB = 12.0  # 8-bit experts: 25
FAKE_QUANT_TO_QONNX_DB = 40.0
QONNX_TO_INTEGER_DB = 30.0


@pytest.mark.parametrize("task", ["even", "skewed"])
def test_stages_agree(chain: Callable[..., Any], image: Any, task: str) -> None:
    built = chain("multi_gate", expert_bits=4)
    index = built.net.config.task_index(task)
    with torch.no_grad():
        exact, model = built.net.features(image, task), built.model(image, torch.tensor(index))[0]
    qonnx = torch.from_numpy(built.run_qonnx(image, index)["features"])
    integers = execute(built.graph, to_uint8(image)[0], task).features * built.graph.residual_scale
    assert snr_db(exact, model) > FLOAT_TO_FAKE_QUANT_DB
    assert snr_db(model, qonnx) > FAKE_QUANT_TO_QONNX_DB
    assert snr_db(qonnx, torch.from_numpy(integers)[None]) > QONNX_TO_INTEGER_DB


def test_only_experts_are_narrow(chain: Callable[..., Any]) -> None:
    built = chain("multi_gate", expert_bits=4)
    moe = built.model.backbone.layers[1].mlp
    quantized = moe.htoh4.quant_weight()
    exact = (quantized.value / quantized.scale).round().detach().numpy().astype(np.int8)
    for node in built.graph.nodes:
        narrow = isinstance(node, Experts)
        assert {affine.weight_bits for affine in affines(node)} <= {4 if narrow else 8}
        if narrow:
            assert np.array_equal(np.concatenate([e.hidden.weight for e in node.experts]), exact)
            assert np.abs(exact).max() == 7


def test_best_clip_beats_the_largest_weight() -> None:
    weight = torch.randn(32, 192, generator=torch.Generator().manual_seed(0))
    largest = weight.abs().amax(dim=1, keepdim=True)
    plain = (weight / largest * 7).round() * largest / 7
    clip = best_clip(weight, 4)
    assert ((clip > 0) & (clip <= largest)).all()
    errors = [(q - weight).square().sum(dim=1) for q in (quantize_clipped(weight, 4), plain)]
    assert (errors[0] <= errors[1]).all() and errors[0].sum() < 0.9 * errors[1].sum()


def test_clips_of_silent_channels_are_positive() -> None:
    assert (best_clip(torch.zeros(2, 8), 4) > 0).all()
    assert (quantize_clipped(torch.zeros(2, 8), 4) == 0).all()


def test_clips_learn() -> None:
    """Quantization-aware training moves the clip of every channel."""
    layer: Any = quant_linear(16, 4, bits=4)
    weight_of(layer).square().sum().backward()  # type: ignore[no-untyped-call]
    clip = layer.weight_quant.tensor_quant.scaling_impl.value
    assert clip.shape == (4, 1)
    assert clip.grad is not None and (clip.grad != 0).all()


def test_other_widths_are_refused() -> None:
    with pytest.raises(ConfigError, match="expert_bits = 6, must be 8 or 4"):
        QuantM3ViT(M3VIT_MICRO, 2.0**-10, {"semseg": 1.0, "depth": 1.0}, expert_bits=6)
