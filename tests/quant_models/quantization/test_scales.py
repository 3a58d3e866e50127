# SPDX-License-Identifier: Apache-2.0
"""The scale search finds what it promises, and folding scales leaves the network's function alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from peritus.reference import HIDDEN_ZERO_POINT  # noqa: E402
from quant_models.network.noise import snr_db  # noqa: E402
from quant_models.quantization.observe import Samples  # noqa: E402
from quant_models.quantization.scales import (  # noqa: E402
    ALPHAS,
    INT8_MAX,
    Trial,
    channel_range,
    quantize_weight,
    rounded,
    scales_for,
    search_query_key_scales,
    search_scales,
)

pytestmark = pytest.mark.models


def _samples(seed: int = 0) -> tuple[Any, Any]:
    """Tokens whose channels differ in loudness by two orders of magnitude, and weights for them."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(400, 48, generator=generator) * torch.logspace(-1, 1, 48)
    return x, torch.randn(96, 48, generator=generator) * torch.logspace(0, -1, 48)


def test_a_zero_point_moves_the_ends() -> None:
    x, one = torch.tensor([-300.0, -64.0, 0.4, 191.0, 300.0]), torch.tensor(1.0)
    assert rounded(x, one, HIDDEN_ZERO_POINT).tolist() == [-64, -64, 0, 191, 191]
    assert rounded(x, one).tolist() == [-128, -64, 0, 127, 127]


def test_hidden_values_gain_from_their_zero_point() -> None:
    """What is hardly ever negative has half again as many steps: 20 log10(191 / 127) = 3.5 dB."""
    x = torch.nn.functional.gelu(2 * _samples()[0])
    samples = Samples(len(x))
    samples.add(x)
    found = [
        search_scales([Trial(x, on.peak)], on.peak, None, (1.0,), (1.0,), zero_point=on.zero_point).snr_db
        for on in (samples, samples.on(HIDDEN_ZERO_POINT))
    ]
    assert 2.5 < found[1] - found[0] < 4


def test_scales_use_the_whole_grid_and_never_clip() -> None:
    ranges = channel_range(_samples()[0])
    for alpha in ALPHAS:
        assert float((ranges / scales_for(ranges, alpha)).max()) == pytest.approx(INT8_MAX, rel=1e-5)
    assert float(scales_for(ranges, 0.0).std()) == 0.0
    assert torch.allclose(ranges / scales_for(ranges, 1.0), torch.full_like(ranges, INT8_MAX))


def test_search_is_at_least_as_good_as_every_single_choice() -> None:
    x, weight = _samples()
    ranges = channel_range(x)
    found = search_scales([Trial(x, ranges)], ranges, weight)
    for alpha in ALPHAS:
        s = scales_for(channel_range(x), alpha)
        assert found.snr_db >= snr_db(x @ weight.T, (rounded(x, s) / s) @ quantize_weight(weight * s).T)
    assert 0 < found.alpha < 1
    held_out = _samples(seed=1)[0] @ weight.T
    integers = rounded(_samples(seed=1)[0], found.scales) / found.scales
    product = integers @ quantize_weight(weight * found.scales).T
    assert snr_db(held_out, product) > 35


def test_query_and_key_scales_have_a_constant_product() -> None:
    x, _ = _samples()
    q, k = x.view(4, 100, 48), x.flip(-1).view(4, 100, 48)
    ranges = channel_range(q.flatten(0, 1)), channel_range(k.flatten(0, 1))
    trials = [(Trial(q, ranges[0]), Trial(k, ranges[1]))]
    s_q, s_k = search_query_key_scales(trials, ranges)
    product = s_q.scales * s_k.scales
    assert torch.allclose(product, product[0].expand_as(product), rtol=1e-5)
    assert s_q.snr_db > 35
    assert float((q / s_q.scales).abs().max()) * s_q.end <= INT8_MAX * 1.0001


def test_silent_channels_get_finite_scales() -> None:
    x, weight = _samples()
    x[:, 5] = 0
    for rows in (x, x * 0):
        ranges = channel_range(rows)
        scales = search_scales([Trial(rows, ranges)], ranges, weight).scales
        assert bool(torch.isfinite(scales).all()) and bool((scales > 0).all())


def test_ranges_that_others_exceed_leave_room() -> None:
    """Where one half of the images is louder than the other, the grid ends beyond what was seen."""
    x, weight = _samples()
    quiet, loud = x, 2 * x
    trials = [Trial(quiet, channel_range(loud)), Trial(loud, channel_range(quiet))]
    ranges = channel_range(loud)
    assert search_scales([Trial(loud, ranges)], ranges, weight).end <= 1.0
    assert search_scales(trials, ranges, weight).end >= 1.3
    q, k = (part.view(4, 100, 48) for part in (x, x.flip(-1)))
    pair = [
        (Trial(q, channel_range(2 * x)), Trial(k, channel_range(2 * x.flip(-1)))),
        (Trial(2 * q, channel_range(x)), Trial(2 * k, channel_range(x.flip(-1)))),
    ]
    found, _ = search_query_key_scales(pair, (channel_range(2 * x), channel_range(2 * x.flip(-1))))
    assert found.end >= 1.3


@pytest.mark.parametrize("gate", ["multi_gate", "task_conditioned"])
def test_folding_alone_changes_nothing(chain: Callable[..., Any], image: Any, gate: str) -> None:
    """With every quantizer switched off, it computes what the float network computes."""
    from brevitas.graph.calibrate import quantization_status_manager

    built = chain(gate)
    off = quantization_status_manager(built.model, disable_act_quant=True, disable_weight_quant=True)
    with torch.no_grad(), off:
        for index, task in enumerate(built.net.config.task_names):
            features, *maps = built.model(image, torch.tensor(index))
            assert snr_db(built.net.features(image, task), features) > 90
            assert snr_db(built.net(image, task), maps[index]) > 90
