# SPDX-License-Identifier: Apache-2.0
"""Camera frames: the one check of them, for the executor and every device, and how pictures become one."""

import numpy as np
import numpy.typing as npt
from PIL import Image

from peritus.errors import PeritusError


class ImageError(PeritusError):
    """An image of the wrong type, size or channel count."""


def check_image(image: object, height: int, width: int, channels: int = 3) -> npt.NDArray[np.uint8]:
    """`image` itself if it is a uint8 array [height, width, channels], else ImageError says what it is."""
    wanted = f"must be a uint8 array of shape ({height}, {width}, {channels})"
    if not isinstance(image, np.ndarray):
        raise ImageError(f"image is a {type(image).__name__}, {wanted}")
    if image.dtype != np.uint8:
        raise ImageError(f"image is {image.dtype}, {wanted}")
    if image.shape != (height, width, channels):
        raise ImageError(f"image has shape {image.shape}, {wanted}")
    return image


def with_channels(image: npt.NDArray[np.uint8], channels: int) -> npt.NDArray[np.uint8]:
    """An RGB picture [height, width, 3] as a network of `channels` reads it: itself, or its luma (ITU-R 601).

    Raises:
        ImageError: the network has another number of channels than pictures have.
    """
    if channels == 3:
        return image
    if channels != 1:
        raise ImageError(f"the network reads {channels} channels, a picture has 3, or 1 in grey")
    return np.array(Image.fromarray(image).convert("L"))[:, :, None]


def as_rgb(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """A frame of one channel or three as people see it: uint8 [height, width, 3]; ImageError of another."""
    if image.shape[2] not in (1, 3):
        raise ImageError(f"an image of {image.shape[2]} channels cannot be shown, 1 or 3 can")
    return np.array(np.broadcast_to(image, (*image.shape[:2], 3)))


def fit_image(image: npt.NDArray[np.uint8], height: int, width: int) -> npt.NDArray[np.uint8]:
    """The largest centred part of the image with the aspect of height x width, scaled to exactly that."""
    rows, columns = image.shape[:2]
    scale = min(rows / height, columns / width)
    crop_rows, crop_columns = max(1, round(height * scale)), max(1, round(width * scale))
    top, left = (rows - crop_rows) // 2, (columns - crop_columns) // 2
    part = Image.fromarray(image[top : top + crop_rows, left : left + crop_columns])
    return np.array(part.resize((width, height), Image.Resampling.LANCZOS))
