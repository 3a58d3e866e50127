# SPDX-License-Identifier: Apache-2.0
"""The one check of camera frames, for the graph executor and for every device."""

import numpy as np
import numpy.typing as npt

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
