# SPDX-License-Identifier: Apache-2.0
"""Pictures of a folder, without labels: what a network is calibrated on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from peritus.image import fit_image, with_channels
from peritus.photo import read_photo
from quant_models.data.dataset import DataError
from quant_models.data.folder import existing_folder

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")
CROP = (0.3, 0.9)  # how much of a picture's side a crop shows


def list_photos(folder: Path, count: int) -> list[Path]:
    """Up to `count` pictures of a folder and the folders in it, evenly spread over its names.

    Raises:
        DataError: no such folder, or no picture in it.
    """
    root = existing_folder(folder)
    files = sorted(path for path in root.rglob("*") if path.suffix.lower() in SUFFIXES)
    if not files:
        raise DataError(f"folder {folder} has no picture ({', '.join(SUFFIXES)})")
    spread = np.linspace(0, len(files) - 1, min(count, len(files))).round().astype(int)
    return [files[i] for i in np.unique(spread)]


def read_photos(
    files: Sequence[Path], count: int, size: tuple[int, int], channels: int = 3
) -> npt.NDArray[np.uint8]:
    """`count` images of pictures: each as a whole, then random crops of one after the other, always the same.

    Args:
        size: height and width of the images; what is cut has their aspect.
    Returns:
        uint8 [count, height, width, channels].
    Raises:
        ImageError: a picture cannot be read.
    """
    pictures = [read_photo(path) for path in files[:count]]
    images = [fit_image(picture, *size) for picture in pictures]
    rng = np.random.default_rng(0)
    while len(images) < count:
        images.append(_crop(pictures[len(images) % len(pictures)], *size, rng))
    return np.stack([with_channels(image, channels) for image in images])


def _crop(
    picture: npt.NDArray[np.uint8], height: int, width: int, rng: np.random.Generator
) -> npt.NDArray[np.uint8]:
    """A random part of a picture, of the images' aspect, scaled to their size."""
    rows, columns = picture.shape[:2]
    scale = min(rows / height, columns / width) * rng.uniform(*CROP)
    shape = max(1, int(height * scale)), max(1, int(width * scale))
    top, left = (
        int(rng.integers(0, full - part + 1)) for full, part in zip((rows, columns), shape, strict=True)
    )
    return fit_image(picture[top : top + shape[0], left : left + shape[1]], height, width)
