# SPDX-License-Identifier: Apache-2.0
"""Maps to pictures, and resizing."""

from __future__ import annotations

import numpy as np

from peritus.report.pictures import CITYSCAPES_COLOURS, class_colours, false_colours, overlay_classes
from peritus.runtime.device import resize_bilinear


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
