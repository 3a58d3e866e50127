# SPDX-License-Identifier: Apache-2.0
"""The study compares what it says it compares."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from peritus.evaluation import Frame, evaluate
from peritus.ir import QuantModel, Task, execute
from quant_models.data.dataset import DataError
from quant_models.network.config import M3VIT_MICRO
from quant_models.network.init import new_model
from quant_models.network.weights import load_weights, save_weights
from quant_models.quantization.quantize import quantize, to_uint8
from quant_models.study.baselines import position_prior
from quant_models.study.run import POST_TRAINING, Study
from quant_models.study.teacher import Comparison, observe
from quant_models.training.batches import gather
from quant_models.training.scores import score
from tests.common.squares import Squares

pytestmark = pytest.mark.models

CONFIG = replace(M3VIT_MICRO, n_layers=2)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Float weights of a small network and of its dense yardstick, and an integer model."""
    folder = tmp_path_factory.mktemp("study")
    found = {name: folder / f"{name}.safetensors" for name in ("float", "dense", "int8")}
    net = new_model(CONFIG, seed=3)
    save_weights(net, found["float"], half=True)
    save_weights(new_model(replace(CONFIG, moe_layers=())), found["dense"], half=True)
    quantize(load_weights(found["float"]), gather(Squares(16, 0, CONFIG), np.arange(16)).images).save(
        found["int8"]
    )
    return found


@pytest.fixture(scope="module")
def study(files: dict[str, Path]) -> Study:
    train, test = Squares(16, 0, CONFIG), Squares(6, 1, CONFIG)
    return Study(files["float"], files["dense"], {"trained": files["int8"]}, train, test, 16, workers=1)


@pytest.mark.long
def test_rows_are_complete_and_in_order(study: Study) -> None:
    rows = {row.name: row for row in study.rows()}
    assert list(rows) == [
        "class and depth by position",
        "float, dense ViT of equal MACs",
        "float",
        *POST_TRAINING,
        "trained",
    ]
    best = rows["W8A8 PTQ, scales per channel"]
    # The trained model is the same network, quantized in the same way.
    trained = rows["trained"]
    assert (best.miou, best.rmse, best.snr_db) == (trained.miou, trained.rmse, trained.snr_db)
    assert best.snr_db is not None and best.agreement is not None
    assert best.snr_db > 25
    assert 0.9 < best.agreement <= 1
    assert rows["W8A8 PTQ, per channel + GPTQ"].snr_db > best.snr_db  # type: ignore[operator]
    assert rows["float"].megabytes > 3.9 * best.megabytes > 0
    assert rows["float"].snr_db is None


@pytest.mark.hls
def test_on_a_device_the_scores_are_the_executor_s(study: Study, files: dict[str, Path]) -> None:
    model, teacher = QuantModel.load(files["int8"]), observe(load_weights(files["float"]), study.test)
    here, there = (
        replace(study, device=device)._integer_row("trained", model, teacher, 0.0, None)
        for device in (None, "hls")
    )
    assert (here.miou, here.rmse) == (there.miou, there.rmse)
    assert there.snr_db is there.agreement is None


def test_float_scores_equal_those_of_the_plain_network(files: dict[str, Path]) -> None:
    net, data = load_weights(files["float"]), Squares(5, 2, CONFIG)
    with torch.no_grad():
        plain = score(lambda images: {t: net(images, t) for t in CONFIG.task_names}, CONFIG, data, batch=2)
    assert observe(net, data).scores == pytest.approx(plain, rel=1e-6)


def test_both_resizings_of_maps_are_the_same(files: dict[str, Path]) -> None:
    """Float maps are resized by PyTorch, integer maps by NumPy: the scores must not depend on it."""
    model, data = QuantModel.load(files["int8"]), Squares(4, 2, CONFIG)
    graph = model.graph

    def run(image: np.ndarray, task: Task) -> torch.Tensor:
        output = execute(graph, image, task.name).output * np.float32(task.scale)
        return torch.from_numpy(output).movedim(-1, 0)

    def outputs(images: torch.Tensor) -> dict[str, torch.Tensor]:
        return {t.name: torch.stack([run(image, t) for image in to_uint8(images)]) for t in graph.tasks}

    pairs = [data[i] for i in range(len(data))]
    integer = evaluate(model, (p.image for p in pairs), (p.targets for p in pairs), workers=1).record()
    assert integer == pytest.approx(score(outputs, CONFIG, data), rel=1e-5)


def test_comparison_counts_experts_as_sets(files: dict[str, Path]) -> None:
    teacher = observe(load_weights(files["float"]), Squares(1, 2, CONFIG))
    features, routing = teacher.features[0, "depth"], teacher.routing[0, "depth"]
    assert routing.shape == (1, CONFIG.n_tokens, CONFIG.top_k)

    same = Comparison(teacher)
    same(Frame(0, "depth", features * np.float32(1.01), {"router": routing[0, :, ::-1]}))
    assert same.agreement == 1
    assert same.snr_db == pytest.approx(40, abs=0.01)

    other = (routing[0] + 1) % CONFIG.n_experts
    expected = np.mean([len({*a} & {*b}) / CONFIG.top_k for a, b in zip(routing[0], other, strict=True)])
    shifted = Comparison(teacher)
    shifted(Frame(0, "depth", features, {"router": other}))
    assert shifted.agreement == pytest.approx(expected)
    assert shifted.snr_db == np.inf


def test_position_prior_does_not_look_at_the_image() -> None:
    train, test = Squares(64, 0, CONFIG), Squares(8, 1, CONFIG)
    scores = position_prior(CONFIG, train, 64, test)
    assert 0.4 < scores["semseg_miou"] < 0.9
    test.images = 255 - test.images
    assert position_prior(CONFIG, train, 64, test) == scores


def test_images_of_another_size_are_refused(files: dict[str, Path]) -> None:
    other = replace(CONFIG, image_height=64)
    study = Study(files["float"], None, {}, Squares(4, 0, other), Squares(4, 1, other), 4, workers=1)
    with pytest.raises(DataError, match=r"images of \[64, 64, 3\], m3vit_micro expects \[32, 64, 3\]"):
        list(study.rows())
