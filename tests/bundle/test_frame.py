# SPDX-License-Identifier: Apache-2.0
"""Camera frames in the device's memory."""

from __future__ import annotations

import numpy as np
import pytest

from peritus.bundle import FrameLayout
from peritus.runtime.buffers import FrameBuffers
from peritus.runtime.errors import BufferUnavailable


def test_patch_rows_are_padded_to_beats() -> None:
    layout = FrameLayout(28, 42, 3, patch=14, pitch=48)
    assert (layout.bytes, layout.plain) == (28 * 3 * 48, False)
    image = np.random.default_rng(0).integers(1, 256, layout.shape).astype(np.uint8)
    memory = np.zeros(layout.bytes, np.uint8)
    layout.store(image, memory)
    for y, column in np.ndindex(28, 3):
        start = (y * 3 + column) * 48
        assert memory[start : start + 42].tobytes() == image[y, column * 14 : column * 14 + 14].tobytes()
        assert not memory[start + 42 : start + 48].any()


def test_plain_frames_are_read_in_place_and_padded_ones_copied() -> None:
    for pitch, plain in ((48, True), (64, False)):
        layout = FrameLayout(16, 32, 3, patch=16, pitch=pitch)
        memory = [np.zeros(layout.bytes, np.uint8) for _ in range(2)]
        buffers = FrameBuffers(layout, memory)
        camera = buffers.lend()
        assert camera.shape == layout.shape
        camera[:] = 7
        assert bool((memory[0] == 7).all()) == plain
        slot = buffers.claim(camera)
        assert np.count_nonzero(memory[slot]) == layout.height * layout.width * 3
        with pytest.raises(BufferUnavailable, match="still running"):
            buffers.claim(camera)
        other = buffers.claim(np.full(layout.shape, 9, np.uint8))
        assert other != slot
        assert memory[other].max() == 9
        buffers.finished(slot)
        assert buffers.claim(camera) == slot


@pytest.mark.parametrize(
    "values", [(0, 32, 3, 16, 48), (16, 40, 3, 16, 48), (16, 32, 3, 16, 47), (16, 32, 3, 0, 48)]
)
def test_impossible_frames(values: tuple[int, int, int, int, int]) -> None:
    with pytest.raises(ValueError, match=r"no frame|pitch of 47 bytes below a patch row's 48"):
        FrameLayout(*values)
