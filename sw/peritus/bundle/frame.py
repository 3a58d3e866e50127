# SPDX-License-Identifier: Apache-2.0
"""How a camera frame lies in the device's memory."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from peritus.schema import CLOSED, Count, Extent

Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class FrameLayout:
    """A frame of uint8 [height, width, channels], cut into patches of `patch` x `patch` pixels.

    pitch: bytes from the row of one patch to that of the next, whole bus beats, which is what LOAD_IMAGE
    reads. A row of a patch has patch * channels bytes; where that is the pitch, memory holds the plain image.
    Patches of 14 RGB pixels have rows of 42 bytes: memory holds 48 of each, and the last six are never looked
    at.
    """

    __pydantic_config__ = CLOSED
    height: Extent
    width: Extent
    channels: Extent
    patch: Extent
    pitch: Count

    def __post_init__(self) -> None:
        if min(self.height, self.width, self.channels, self.patch) < 1 or self.width % self.patch:
            raise ValueError(f"no frame: {self}")
        if self.pitch < self.patch * self.channels:
            raise ValueError(f"pitch of {self.pitch} bytes below a patch row's {self.patch * self.channels}")

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of the camera's image."""
        return self.height, self.width, self.channels

    @property
    def bytes(self) -> int:
        """Size in the device's memory."""
        return self.height * (self.width // self.patch) * self.pitch

    @property
    def plain(self) -> bool:
        """Memory holds the image as it is: a camera may write it in place."""
        return self.pitch == self.patch * self.channels

    def store(self, image: Bytes, memory: Bytes) -> None:
        """Write an image of `shape` to device memory, uint8 [bytes]; bytes between patch rows are left
        alone."""
        columns, row = self.width // self.patch, self.patch * self.channels
        np.copyto(
            memory.reshape(self.height, columns, self.pitch)[:, :, :row],
            image.reshape(self.height, columns, row),
        )
