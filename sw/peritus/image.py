# SPDX-License-Identifier: Apache-2.0
"""Camera frames: the one check of them, for the executor and every device, and how pictures become one."""

import numpy as np
import numpy.typing as npt
from PIL import Image

from peritus.errors import PeritusError


class ImageError(PeritusError):
    """An image of the wrong type, size or channel count."""


def check_image(image: object, height: int, width: int) -> npt.NDArray[np.uint8]:
    """`image` itself if it is a uint8 array [height, width, 3], else ImageError says what it is."""
    wanted = f"must be a uint8 array of shape ({height}, {width}, 3)"
    if not isinstance(image, np.ndarray):
        raise ImageError(f"image is a {type(image).__name__}, {wanted}")
    if image.dtype != np.uint8:
        raise ImageError(f"image is {image.dtype}, {wanted}")
    if image.shape != (height, width, 3):
        raise ImageError(f"image has shape {image.shape}, {wanted}")
    return image


def fit_image(image: npt.NDArray[np.uint8], height: int, width: int) -> npt.NDArray[np.uint8]:
    """The largest centred part of the image with the aspect of height x width, scaled to exactly that."""
    rows, columns = image.shape[:2]
    scale = min(rows / height, columns / width)
    crop_rows, crop_columns = max(1, round(height * scale)), max(1, round(width * scale))
    top, left = (rows - crop_rows) // 2, (columns - crop_columns) // 2
    part = Image.fromarray(image[top : top + crop_rows, left : left + crop_columns])
    return np.array(part.resize((width, height), Image.Resampling.LANCZOS))
