# SPDX-License-Identifier: Apache-2.0
"""Maps to pictures, and resizing."""

from __future__ import annotations

import numpy as np
import pytest

from peritus.bundle import TaskEntry
from peritus.image import ImageError
from peritus.report.pictures import (
    CITYSCAPES_COLOURS,
    class_colours,
    false_colours,
    overlay_classes,
    render,
)
from peritus.runtime.device import Perf, Result, resize_bilinear


def test_resize_keeps_constants_and_is_linear_inside() -> None:
    ramp = np.tile(np.arange(8, dtype=np.float32)[:, None, None], (1, 5, 2))
    big = resize_bilinear(ramp, 32, 10)
    assert big.shape == (32, 10, 2)
    assert np.allclose(big[2:-2, 3, 1], (np.arange(32) + 0.5)[2:-2] / 4 - 0.5)
    assert big.min() == 0 and big.max() == 7
    assert np.array_equal(resize_bilinear(ramp, 8, 5), ramp)


def test_class_colours_are_distinct() -> None:
    unnamed = class_colours([f"class {i}" for i in range(19)]).astype(int)
    named = class_colours(list(CITYSCAPES_COLOURS)).astype(int)
    for colours in (unnamed, named):
        distance = np.abs(colours[:, None] - colours[None]).sum(axis=2)
        assert distance[~np.eye(19, dtype=bool)].min() >= 20
    assert (class_colours(["sky", "road"]) == [(70, 130, 180), (128, 64, 128)]).all()


def test_overlay_keeps_the_image_visible() -> None:
    image = np.zeros((4, 4, 3), np.uint8)
    image[0] = 255
    overlay = overlay_classes(np.zeros((4, 4), np.int64), ("a", "b", "c"), image)
    assert (overlay[0] > overlay[1]).all() and len(np.unique(overlay[1:].reshape(-1, 3), axis=0)) == 1


def test_false_colours_span_the_range() -> None:
    values = np.array([[0.0, 1.0, 2.0, 3.0]], np.float32)
    picture = false_colours(values)
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) == 4
    assert (false_colours(np.full((2, 2), 7.0, np.float32)) == picture[0, 0]).all()


def test_a_classification_is_its_best_classes() -> None:
    task = TaskEntry("species", "classification", ("cat", "dog", "owl"), 1, 1, 3, 8, scale=0.01, macs=0)
    logits = np.array([[[0, 200, 100]]], np.int16)
    result = Result(task, {"species": logits}, None, 1.0, Perf())
    best = result.top(2)
    assert [name for name, _ in best] == ["dog", "owl"]
    assert best[0][1] == pytest.approx(np.exp(2) / (1 + np.e + np.exp(2)))
    image = np.full((32, 64, 3), 99, np.uint8)
    picture = render(result, image)
    assert picture.shape[0] > 32 and (picture[:32] == 99).all() and picture[32:].max() > 200
    grey = render(result, image[..., :1])
    assert grey.shape == picture.shape and (grey[:32] == 99).all()
    with pytest.raises(ImageError, match="2 channels"):
        render(result, image[..., :2])
