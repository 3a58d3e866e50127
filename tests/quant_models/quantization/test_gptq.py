# SPDX-License-Identifier: Apache-2.0
"""GPTQ: smaller errors on inputs not seen, exact grids, the same integers down to the integer graph."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from peritus.frontends.qonnx import lower  # noqa: E402
from peritus.ir.ops import Experts, Linear  # noqa: E402
from quant_models.network.config import M3VIT_MICRO  # noqa: E402
from quant_models.network.init import new_model, procedural_images  # noqa: E402
from quant_models.network.noise import snr_db  # noqa: E402
from quant_models.quantization.clips import fit_clip  # noqa: E402
from quant_models.quantization.export import to_qonnx  # noqa: E402
from quant_models.quantization.fold import fake_quantize  # noqa: E402
from quant_models.quantization.gptq import Moments, compensate, nearest, refit, round_rows  # noqa: E402
from quant_models.quantization.quantizers import quant_linear  # noqa: E402
from quant_models.quantization.recipe import Recipe  # noqa: E402

pytestmark = pytest.mark.models
LIMITS = {8: 127, 4: 7}


def _layer(bits: int, seed: int = 0, rows: int = 48, channels: int = 160) -> tuple[Any, Any, Any, Any]:
    """Weights, their scales, and two sets of inputs in which every channel resembles others."""
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(rows, channels, generator=generator)
    mixing = torch.randn(channels // 4, channels, generator=generator)

    def inputs(count: int) -> Any:
        x = torch.randn(count, channels // 4, generator=generator) @ mixing
        return x + torch.randn(count, channels, generator=generator)

    return weight, weight.abs().amax(dim=1, keepdim=True) / LIMITS[bits], inputs(1000), inputs(500)


def _folds(x: Any, target: Any) -> list[Moments]:
    folds = [Moments(x.shape[1], target.shape[1]) for _ in range(2)]
    for index, fold in enumerate(folds):
        fold.add(x[index::2], target[index::2])
    return folds


def _hessian(x: Any) -> Any:
    return (x.T @ x).double()


@pytest.mark.parametrize("bits", [8, 4])
def test_output_errors_shrink_on_unseen_inputs(bits: int) -> None:
    weight, scale, x, unseen = _layer(bits)
    simple = nearest(weight, scale, LIMITS[bits]) * scale
    compensated = compensate(weight, _hessian(x), scale, LIMITS[bits]) * scale
    exact = unseen @ weight.T
    assert snr_db(exact, unseen @ compensated.float().T) > snr_db(exact, unseen @ simple.T) + 5
    assert float((compensated - weight).square().sum()) > float((simple - weight).square().sum())


def test_independent_inputs_leave_nothing_to_compensate() -> None:
    weight, scale, _, _ = _layer(8)
    loudness = torch.linspace(1, 100, weight.shape[1], dtype=torch.float64)
    integers = compensate(weight, loudness.diag(), scale, 127)
    assert torch.equal(integers, nearest(weight, scale, 127).double())
    assert torch.equal(compensate(weight, 0 * loudness.diag(), scale, 127), integers)


@pytest.mark.parametrize("bits", [8, 4])
def test_integers_stay_in_range_and_the_largest_weight_in_place(bits: int) -> None:
    weight, scale, x, _ = _layer(bits, channels=200)
    integers = compensate(weight, _hessian(x), scale, LIMITS[bits])
    assert torch.equal(integers, integers.round())
    assert torch.equal(integers.abs().amax(dim=1), torch.full((48,), float(LIMITS[bits])).double())
    largest = weight.abs().argmax(dim=1, keepdim=True)
    assert torch.equal(integers.gather(1, largest), weight.gather(1, largest).sign() * LIMITS[bits])
    assert torch.equal(integers, compensate(weight, _hessian(x), scale, LIMITS[bits]))


@pytest.mark.parametrize("bits", [8, 4])
def test_the_layers_own_quantizer_keeps_the_integers(bits: int) -> None:
    weight, _, x, _ = _layer(bits)
    layer = quant_linear(160, 48, bits=bits).eval()
    rows = slice(8, 40)
    with torch.no_grad():
        layer.weight.copy_(weight)
        fit_clip(layer)
        before = layer.quant_weight()
        folds = _folds(x, x @ weight[rows].T + layer.bias[rows])
        given = torch.cat((weight[rows], layer.bias[rows, None]), dim=1).double()
        refitted = copy.deepcopy(layer)
        refitted.weight[rows] = refit(given, folds)[0][:, :-1].float()
        scale = refitted.quant_weight().scale
        hessian = (folds[0] + folds[1]).hessian
        expected = compensate(refitted.weight[rows], hessian, scale[rows], LIMITS[bits])
        report = round_rows(layer, layer.bias[rows], folds, rows)
        after = layer.quant_weight()
    assert torch.equal(after.scale, scale)
    assert torch.equal(after.int()[rows].double(), expected)
    assert torch.equal(after.int()[:8], before.int()[:8]) and torch.equal(after.int()[40:], before.int()[40:])
    assert torch.equal(layer.weight[:8], weight[:8])
    assert report.tokens == len(x)
    assert report.compensated_db is not None and report.compensated_db > report.nearest_db + 5


def test_too_few_tokens_round_to_nearest_and_say_so() -> None:
    weight, _, x, _ = _layer(8)
    layer = quant_linear(160, 48).eval()
    with torch.no_grad():
        layer.weight.copy_(weight)
        report = round_rows(layer, layer.bias, _folds(x[:159], x[:159] @ weight.T + layer.bias))
    assert report.compensated_db is None
    assert report.tokens == 159
    assert torch.equal(layer.weight, weight)


def test_refitted_weights_make_up_for_what_is_wrong_with_the_inputs() -> None:
    """Noise and an offset on the inputs: weights and bias that know of them come closer, also unseen."""
    weight, _, x, unseen = _layer(8)
    generator = torch.Generator().manual_seed(5)

    def spoilt(rows: Any) -> Any:
        return rows + 0.3 + 2.0 * torch.randn(rows.shape, generator=generator)

    before = torch.cat((weight, torch.zeros(len(weight), 1)), dim=1).double()
    found, pull = refit(before, _folds(spoilt(x), x @ weight.T))
    assert pull is not None
    exact, other = unseen @ weight.T, spoilt(unseen)
    refitted = other @ found[:, :-1].float().T + found[:, -1].float()
    assert snr_db(exact, refitted) > snr_db(exact, other @ weight.T) + 2


def test_nothing_is_refitted_to_noise() -> None:
    """Where one half of the images says nothing about the other, weights stay."""
    weight, _, x, _ = _layer(8)
    noise = torch.randn(len(x), len(weight), generator=torch.Generator().manual_seed(6))
    before = torch.cat((weight, torch.zeros(len(weight), 1)), dim=1).double()
    folds = _folds(x, x @ weight.T)
    assert refit(before, folds)[1] is None
    few = _folds(x[:40], (x @ weight.T + noise)[:40])
    found, _ = refit(before, few)
    assert float((found - before).abs().max()) < 0.5
    empty = _folds(x[:1], (x @ weight.T)[:1])
    assert refit(before, empty)[0] is before


CONFIG = replace(M3VIT_MICRO, name="micro_2", n_layers=2)  # a dense and a MoE block
IMAGES = 48


@pytest.fixture(scope="module")
def models() -> tuple[Any, dict[str, tuple[Any, Any]]]:
    """A network, and fake-quantized models of it, calibrated on the same images."""
    net, images = new_model(CONFIG), procedural_images(CONFIG, IMAGES, seed=1)
    recipes = {
        "nearest": Recipe(),
        "gptq": Recipe(gptq=True),
        "again": Recipe(gptq=True),
        "nearest4": Recipe(expert_bits=4),
        "gptq4": Recipe(gptq=True, expert_bits=4),
    }
    return net, {name: fake_quantize(net, images, recipe) for name, recipe in recipes.items()}


@pytest.mark.parametrize("bits", ["", "4"])
def test_whole_network_comes_closer_to_the_float_one(models: Any, bits: str) -> None:
    net, built = models
    unseen = procedural_images(CONFIG, 16, seed=1000)
    with torch.no_grad():
        for index, task in enumerate(CONFIG.task_names):
            expected = net.features(unseen, task)
            simple, compensated = (
                snr_db(expected, built[name + bits][0](unseen, torch.tensor(index))[0])
                for name in ("nearest", "gptq")
            )
            assert compensated > simple + (2 if bits else 0.5)


def test_every_layer_is_reported_and_compensated(models: Any) -> None:
    report = dict(models[1]["gptq"][1].rounding)
    # Patch embedding; QKV and projection twice; one dense MLP; the gates and experts of one block; heads.
    assert len(report) == 1 + 2 * 2 + 2 + (2 + 2 * CONFIG.n_experts) + 2
    patches = report.pop("patch_embed")  # 8 an image are too few for its 768 input channels
    assert patches.tokens == 8 * IMAGES and patches.compensated_db is None
    for name, rounding in report.items():
        assert rounding.compensated_db is not None, name
        assert rounding.compensated_db > rounding.nearest_db, name
    queues = [report[f"blocks.1.expert{e}.htoh4"].tokens for e in range(CONFIG.n_experts)]
    assert sum(queues) == IMAGES * len(CONFIG.tasks) * CONFIG.n_tokens * CONFIG.top_k
    assert report["blocks.1.gate0"].tokens == IMAGES * CONFIG.n_tokens
    assert not models[1]["nearest"][1].rounding


def test_gptq_repeats_itself(models: Any) -> None:
    first, second = (dict(models[1][name][0].named_parameters()) for name in ("gptq", "again"))
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("name", ["gptq", "gptq4"])
def test_the_integer_graph_holds_the_same_integers(models: Any, name: str) -> None:
    model = models[1][name][0]
    nodes = lower(to_qonnx(model)).nodes
    projection = next(n for n in nodes if isinstance(n, Linear) and "blocks.0.attn.proj" in n.name)
    experts = next(n for n in nodes if isinstance(n, Experts))
    moe = model.backbone.layers[1].mlp
    with torch.no_grad():
        expected = model.backbone.layers[0].attn.proj.quant_weight().int().numpy()
        second = moe.h4toh.quant_weight().int().numpy().reshape(CONFIG.n_experts, CONFIG.d_model, -1)
    assert np.array_equal(projection.affine.weight, expected)
    for expert, weight in zip(experts.experts, second, strict=True):
        assert np.array_equal(expert.output.weight, weight)
