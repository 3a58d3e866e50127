# SPDX-License-Identifier: Apache-2.0
"""The weights that come with a checkout: trained, of the networks that they are named after, and good."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from peritus.api import load_model, model_path
from peritus.evaluation import evaluate
from peritus.ir import QuantModel
from quant_models.data.dataset import Sample, stack
from quant_models.data.scenes import SPLITS, generate
from quant_models.data.scenes.classes import label_map
from quant_models.data.scenes.resize import shrink
from quant_models.network.config import M3ViTConfig, named_config
from quant_models.network.weights import load_weights, weights_provenance
from quant_models.study.shipped import DENSE, float_file, int4_file
from quant_models.study.teacher import Comparison, Teacher, observe

pytestmark = pytest.mark.models

NAMES = ("m3vit_micro", "m3vit_tiny")
SCENES = 12


class Unseen:
    """The first test scenes, generated anew: no cache."""

    name = "unseen scenes"

    def __init__(self, config: M3ViTConfig) -> None:
        self.tasks = config.tasks
        table = label_map(config.tasks[0].classes)
        self.samples = []
        for seed in range(SPLITS["test"], SPLITS["test"] + SCENES):
            sample = shrink(generate(seed), config.image_height, config.image_width)
            targets = {"semseg": table[sample.targets["semseg"]], "depth": sample.targets["depth"]}
            self.samples.append(Sample(sample.image, targets))

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> Sample:
        return self.samples[index]

    def batch(self, indices: npt.NDArray[np.int64]):  # type: ignore[no-untyped-def]
        return stack([self.samples[i] for i in indices])


@pytest.fixture(scope="module", params=NAMES)
def shipped(request: pytest.FixtureRequest) -> tuple[str, Unseen, Teacher]:
    """A name, unseen scenes, and what the float network makes of them."""
    name = request.param
    data = Unseen(named_config(name))
    return name, data, observe(load_weights(float_file(name), named_config(name)), data)


def run(model: QuantModel, data: Unseen, teacher: Teacher) -> tuple[dict[str, float], Comparison]:
    comparison = Comparison(teacher)
    result = evaluate(
        model,
        (sample.image for sample in data.samples),
        (sample.targets for sample in data.samples),
        workers=1,
        observe=comparison,
    )
    return result.record(), comparison


def test_float_weights_are_far_better_than_chance(shipped: tuple[str, Unseen, Teacher]) -> None:
    name, _, teacher = shipped
    assert weights_provenance(float_file(name)).startswith(f"peritus train {name}")
    assert teacher.scores["semseg_miou"] > 0.3  # 0.13 by position alone
    assert teacher.scores["depth_rmse"] < 14  # 22 m by position alone


def test_integers_follow_the_float_network(shipped: tuple[str, Unseen, Teacher]) -> None:
    name, data, teacher = shipped
    model = load_model(name)
    assert (model.name, model.untrained) == (name, False)
    scores, comparison = run(model, data, teacher)
    assert comparison.snr_db > 20  # training on labels moves the integers away from the float network
    assert comparison.agreement > 0.95
    assert scores["semseg_miou"] > teacher.scores["semseg_miou"] - 0.02  # a dozen scenes are few
    assert scores["depth_rmse"] < teacher.scores["depth_rmse"] * 1.03


def test_four_bit_experts_follow_it_too(shipped: tuple[str, Unseen, Teacher]) -> None:
    name, data, teacher = shipped
    model = QuantModel.load(int4_file(name))
    scores, comparison = run(model, data, teacher)
    assert comparison.agreement > 0.9
    assert scores["semseg_miou"] > teacher.scores["semseg_miou"] - 0.03
    assert scores["depth_rmse"] < teacher.scores["depth_rmse"] * 1.05
    assert int4_file(name).stat().st_size < model_path(name).stat().st_size


def test_the_dense_yardstick_has_no_experts() -> None:
    config = load_weights(float_file(DENSE)).config
    assert not any(config.is_moe(layer) for layer in range(config.n_layers))
    assert config.mlp_hidden == named_config("m3vit_tiny").top_k * named_config("m3vit_tiny").expert_hidden
