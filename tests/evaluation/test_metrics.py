# SPDX-License-Identifier: Apache-2.0
"""Metrics against figures worked out by hand, and against a slow definition."""

from __future__ import annotations

import math

import numpy as np
import pytest

from peritus.evaluation.metrics import (
    IGNORE,
    ConfusionMatrix,
    DepthError,
    MetricError,
    Ranking,
    new_metric,
    scores_of,
)


def test_iou_by_hand() -> None:
    target = np.array([[0, 0, 0, 1], [1, 1, IGNORE, IGNORE]], np.uint8)
    predicted = np.array([[0, 0, 1, 1], [1, 3, 2, 0]])
    matrix = ConfusionMatrix(4)
    matrix.update(predicted, target)
    assert matrix.counts.sum() == 6
    iou = matrix.iou
    assert iou[0] == 2 / 3 and iou[1] == 2 / 4
    assert np.isnan(iou[2:]).all()  # no label has them, although class 3 was predicted
    assert matrix.mean_iou == (2 / 3 + 1 / 2) / 2
    assert matrix.accuracy == 4 / 6


def test_merge_equals_one_pass() -> None:
    rng = np.random.default_rng(0)
    target = rng.choice([0, 1, 2, IGNORE], size=(6, 8, 9)).astype(np.uint8)
    predicted = rng.integers(0, 3, target.shape)
    depth, guess = rng.uniform(0, 9, target.shape) * (target > 0), rng.uniform(0, 9, target.shape)
    whole, parts = ConfusionMatrix(3), ConfusionMatrix(3)
    whole_depth, parts_depth = DepthError(), DepthError()
    whole.update(predicted, target)
    whole_depth.update(guess, depth)
    for index in range(6):
        one, one_depth = ConfusionMatrix(3), DepthError()
        one.update(predicted[index], target[index])
        one_depth.update(guess[index], depth[index])
        parts.merge(one)
        parts_depth.merge(one_depth)
    assert np.array_equal(whole.counts, parts.counts)
    for label in range(3):
        union = ((predicted == label) | (target == label)) & (target != IGNORE)
        assert whole.iou[label] == ((predicted == label) & (target == label)).sum() / union.sum()
    assert parts_depth.pixels == whole_depth.pixels == (depth > 0).sum()
    assert math.isclose(parts_depth.rmse, whole_depth.rmse)
    assert math.isclose(parts_depth.abs_rel, whole_depth.abs_rel)


def test_depth_error_by_hand() -> None:
    error = DepthError()
    error.update(np.array([2.0, 5.0, 7.0]), np.array([1.0, 0.0, 10.0], np.float32))
    assert (error.pixels, error.rmse, error.abs_rel) == (2, math.sqrt((1 + 9) / 2), (1 + 0.3) / 2)


def test_nothing_seen_is_not_a_number() -> None:
    matrix = ConfusionMatrix(2)
    matrix.update(np.zeros(3, int), np.full(3, IGNORE))
    assert math.isnan(matrix.mean_iou) and math.isnan(matrix.accuracy)
    assert math.isnan(DepthError().rmse) and math.isnan(DepthError().abs_rel)


def test_bad_input_is_named() -> None:
    matrix = ConfusionMatrix(3)
    with pytest.raises(MetricError, match=r"predictions have shape \[2\], expected \[3\]"):
        matrix.update(np.zeros(2, int), np.zeros(3, int))
    with pytest.raises(MetricError, match=r"target class 3, must be 0\.\.2"):
        matrix.update(np.zeros(3, int), np.array([0, 3, IGNORE]))
    with pytest.raises(MetricError, match=r"predicted class -1, must be 0\.\.2"):
        matrix.update(np.array([-1]), np.array([0]))
    with pytest.raises(MetricError, match="confusion matrix of 4 classes, expected 3"):
        matrix.merge(ConfusionMatrix(4))
    with pytest.raises(MetricError, match="256 classes"):
        ConfusionMatrix(256)
    with pytest.raises(MetricError, match=r"target depth -1\.0 m"):
        DepthError().update(np.array([1.0]), np.array([-1.0]))
    with pytest.raises(MetricError, match="target depth nan m"):
        DepthError().update(np.array([1.0]), np.array([np.nan]))


def test_ranking_by_hand() -> None:
    logits = np.array([[[9, 1, 0, 0, 0, 0, 0]], [[9, 8, 7, 6, 5, 5, 9]], [[0, 0, 0, 0, 0, 0, 0]]], np.float32)
    first = new_metric("classification", 7)
    assert isinstance(first, Ranking)
    first.update(logits, np.array([[0], [4], [0]]))  # right; behind 9, 9, 8, 7, 6; first of equals
    assert (first.top1, first.top5) == (2 / 3, 2 / 3)
    second = Ranking(7)
    second.update(logits, np.array([[6], [6], [4]]))  # behind all; behind one 9; behind four equals
    assert (second.top1, second.top5) == (0, 2 / 3)
    first.merge(second)
    assert scores_of({"a": first}) == {"a_top1": 2 / 6, "a_top5": 4 / 6}
    few = Ranking(5)
    few.update(logits[:, :, :5], np.array([[0], [0], [0]]))
    assert list(scores_of({"a": few})) == ["a_top1"]  # all are among five
    assert math.isnan(Ranking(7).top1)


@pytest.mark.parametrize("kind", ["segmentation", "depth", "classification"])
def test_without_labels_there_is_nothing_to_score(kind: str) -> None:
    with pytest.raises(MetricError, match=r'task a: the images have no label \(all say "unknown"\)'):
        scores_of({"a": new_metric(kind, 7)})


def test_the_task_without_labels_is_named() -> None:
    ranked = Ranking(5)
    ranked.update(np.zeros((1, 1, 5)), np.array([[0]]))
    with pytest.raises(MetricError, match=r"^task a_b: the images have no label"):
        scores_of({"a": ranked, "a_b": Ranking(5)})
    with pytest.raises(MetricError, match=r"^task a_b: the images have no label"):
        scores_of({"a_b": Ranking(5), "a": ranked})


def test_a_ranking_fits_its_targets() -> None:
    logits = np.zeros((1, 1, 3))
    for wrong in (3, -1, IGNORE):
        with pytest.raises(MetricError, match=rf"target class {wrong}, must be 0\.\.2"):
            Ranking(3).update(logits, np.array([[wrong]]))
    with pytest.raises(MetricError, match=r"shape \[1, 1, 3\], expected \[1, 1, 4\]"):
        Ranking(4).update(logits, np.zeros((1, 1), int))
    many = Ranking(1000)  # 255 is a class like others here
    many.update(np.eye(1000)[None, 255:256], np.array([[255]]))
    assert many.top1 == 1
