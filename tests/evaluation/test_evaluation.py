# SPDX-License-Identifier: Apache-2.0
"""The executor over a data set: metrics, order, errors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from peritus import ir
from peritus.arch.config import load_config
from peritus.compiler import compile_model
from peritus.evaluation import (
    ConfusionMatrix,
    DepthError,
    EvaluationError,
    Frame,
    MetricError,
    OnDevice,
    evaluate,
)
from peritus.evaluation.workers import WorkerError, in_order
from peritus.ir.random_model import Dims, random_image, random_model
from peritus.runtime.device import resize_bilinear

DIMS = Dims(layers=2)
IMAGES = 5


@pytest.fixture(scope="module")
def model() -> ir.QuantModel:
    return random_model(DIMS)


@pytest.fixture(scope="module")
def images() -> list[Any]:
    return [random_image(DIMS, seed) for seed in range(IMAGES)]


@pytest.fixture(scope="module")
def targets() -> list[dict[str, Any]]:
    """Labels at a size of their own, some pixels without."""
    rng = np.random.default_rng(0)
    return [
        {
            "task0": rng.choice([0, 1, 2, 3, 4, 5, 6, 7, 255], (20, 50)).astype(np.uint8),
            "task1": (rng.uniform(0, 9, (20, 50)) * rng.integers(0, 2, (20, 50))).astype(np.float32),
        }
        for _ in range(IMAGES)
    ]


@pytest.mark.hls
@pytest.mark.parametrize("workers", [1, 2])
def test_a_device_scores_the_same(model: ir.QuantModel, images: Any, targets: Any, workers: int) -> None:
    on = OnDevice("hls", compile_model(model, load_config("nano")))
    expected = evaluate(model, images, targets, workers=1)
    assert evaluate(model, images, targets, workers=workers, on=on).record() == expected.record()


def test_nothing_is_observed_on_a_device(model: ir.QuantModel, images: Any, targets: Any) -> None:
    on = OnDevice("hls", compile_model(model, load_config("nano")))
    with pytest.raises(EvaluationError, match="inside the device hls cannot be observed"):
        evaluate(model, images, targets, workers=1, on=on, observe=lambda frame: None)


def test_metrics_are_those_of_the_upsampled_maps(model: ir.QuantModel, images: Any, targets: Any) -> None:
    classes, depth = ConfusionMatrix(8), DepthError()
    for image, target in zip(images, targets, strict=True):
        maps = [ir.execute(model.graph, image, task).output / np.float32(256) for task in ("task0", "task1")]
        logits, metres = (resize_bilinear(m.astype(np.float32), 20, 50) for m in maps)
        classes.update(logits.argmax(axis=2), target["task0"])
        depth.update(metres[:, :, 0], target["task1"])
    found = evaluate(model, images, targets, workers=1)
    assert found.images == IMAGES
    assert found.record() == {
        "task0_miou": classes.mean_iou,
        "task0_accuracy": classes.accuracy,
        "task1_rmse": depth.rmse,
        "task1_abs_rel": depth.abs_rel,
    }


def test_workers_change_nothing_and_frames_come_in_order(
    model: ir.QuantModel, images: Any, targets: Any
) -> None:
    seen: dict[int, list[Frame]] = {1: [], 2: []}
    done: list[int] = []
    records = [
        evaluate(
            model, iter(images), iter(targets), workers=n, observe=seen[n].append, progress=done.append
        ).record()
        for n in (1, 2)
    ]
    assert records[0] == records[1]
    assert done == [*range(1, IMAGES + 1)] * 2
    assert [(f.image, f.task) for f in seen[2]] == [(i, t) for i in range(IMAGES) for t in ("task0", "task1")]
    values = ir.execute(model.graph, images[3], "task1", keep_values=True)
    for frame in (seen[1][7], seen[2][7]):
        assert np.array_equal(frame.features, values.features / np.float32(1024))
        assert list(frame.routing) == ["router_1"]
        assert np.array_equal(frame.routing["router_1"], values.values["router_1"].experts)  # type: ignore[union-attr]


def test_samples_are_read_as_they_are_needed(model: ir.QuantModel, images: Any, targets: Any) -> None:
    read = 0

    def counted() -> Iterator[Any]:
        nonlocal read
        for image in images:
            read += 1
            yield image

    ahead: list[int] = []
    evaluate(model, counted(), targets, ["task1"], workers=1, progress=lambda n: ahead.append(read - n))
    assert ahead == [0] * IMAGES


def test_bad_input_is_named(model: ir.QuantModel, images: Any, targets: Any) -> None:
    with pytest.raises(ir.UnknownTaskError, match="task7"):
        evaluate(model, images, targets, ["task7"], workers=1)
    with pytest.raises(EvaluationError, match="another number of images than of targets"):
        evaluate(model, images, targets[:2], workers=1)
    with pytest.raises(EvaluationError, match="image 0 has no target for task 'task1', only task0"):
        evaluate(model, images, [{"task0": t["task0"]} for t in targets], workers=1)
    with pytest.raises(MetricError, match=r"target class 200, must be 0\.\.7"):
        evaluate(model, images[:1], [{"task0": np.full((4, 4), 200)}], ["task0"], workers=1)


def _nothing() -> None:
    pass


def _die(job: int) -> int:
    import os

    os._exit(job)


def test_a_dead_worker_is_named() -> None:
    with pytest.raises(WorkerError, match="a worker process died"):
        list(in_order(_die, [1], 2, _nothing, ()))
