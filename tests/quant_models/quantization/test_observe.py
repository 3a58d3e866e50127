# SPDX-License-Identifier: Apache-2.0
"""Calibration sees every image, keeps a bounded sample, and repeats itself."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from peritus.reference import HIDDEN_ZERO_POINT  # noqa: E402
from quant_models.network.config import M3VIT_MICRO  # noqa: E402
from quant_models.network.init import new_model, procedural_images  # noqa: E402
from quant_models.quantization.observe import BATCH, SAMPLE_IMAGES, Observer, Samples  # noqa: E402

pytestmark = pytest.mark.models


def test_a_sample_is_bounded_and_uniform_over_all_batches() -> None:
    samples = Samples(100)
    for batch in torch.arange(4000.0).view(40, 100, 1):
        samples.add(-batch)
    assert samples.rows.shape == (100, 1)
    assert samples.count == 4000
    assert samples.peak.tolist() == [3999.0]
    rows = -samples.rows[:, 0]
    assert len(rows.unique()) == 100
    # Uniform on 0..3999: the mean of 100 draws has a standard deviation of 115.
    assert abs(float(rows.mean()) - 1999.5) < 400
    assert float(rows.min()) < 300 and float(rows.max()) > 3700


def test_folds_have_ranges_of_their_own() -> None:
    samples = Samples(100)
    samples.add(torch.tensor([[1.0, -5.0], [2.0, -3.0]]), 0)
    samples.add(torch.tensor([[4.0, 3.0]]), 1)
    nothing = [-torch.inf, -torch.inf]
    assert samples.peaks.tolist() == [[2.0, 5.0], [4.0, 3.0], nothing, nothing]
    assert samples.peaks_of_others.tolist() == [[4.0, 3.0], [2.0, 5.0], [4.0, 5.0], [4.0, 5.0]]
    assert samples.peak.tolist() == [4.0, 5.0]
    shifted = samples.shifted(torch.tensor([1.0, -1.0]))
    assert shifted.peaks[:2].tolist() == [[1.0, 4.0], [3.0, 4.0]]
    assert sorted(shifted.rows.tolist()) == [[0.0, -4.0], [1.0, -2.0], [3.0, 4.0]]
    assert samples.peak.tolist() == [4.0, 5.0]
    both = Samples.joined([samples, shifted])
    assert both.count == len(both.rows) == len(both.folds) == 6
    assert both.peaks[:2].tolist() == [[2.0, 5.0], [4.0, 4.0]]


def test_peaks_know_where_the_grid_ends() -> None:
    """On a grid from -64 to 191, 1 below zero is as much as 3 above, and +-127 of these 2 of either."""
    samples = Samples(100)
    samples.add(torch.tensor([[-64.0, -1.0], [1.0, 191.0]]))
    hidden = samples.on(HIDDEN_ZERO_POINT)
    assert hidden.peak.tolist() == [127.0, 127.0]
    assert samples.peak.tolist() == [64.0, 191.0]


def test_few_rows_are_all_kept() -> None:
    samples = Samples(100)
    rows = torch.randn(30, 5, generator=torch.Generator().manual_seed(0))
    samples.add(rows[:10])
    samples.add(rows[10:])
    assert torch.equal(samples.rows.sort(dim=0).values, rows.sort(dim=0).values)
    assert torch.equal(samples.peak, rows.abs().amax(dim=0))


def test_observer_runs_all_images_of_all_tasks() -> None:
    config, count = M3VIT_MICRO, 2 * BATCH + 1
    net, images = new_model(config), procedural_images(M3VIT_MICRO, count, seed=1)
    first, second = Observer(net, images), Observer(net, images)
    path = "backbone.blocks.1"
    runs = count * len(config.tasks)
    assert first[f"{path}.norm2"].count == runs * config.n_tokens
    assert first[f"{path}.attn.qkv"].count == runs
    assert len(first[f"{path}.attn.qkv"].rows) == SAMPLE_IMAGES
    experts = [first[f"{path}.mlp.experts.h4toh.{e}"] for e in range(config.n_experts)]
    assert sum(expert.count for expert in experts) == runs * config.n_tokens * config.top_k
    assert torch.equal(first[f"{path}.norm2"].rows, second[f"{path}.norm2"].rows)
    assert first[f"{path}.mlp.experts.h4toh.{config.n_experts}"].count == 0
    with torch.no_grad():
        residual = max(float(net.features(images, task).abs().max()) for task in config.task_names)
    assert first.residual_max >= residual * 0.9999
