# SPDX-License-Identifier: Apache-2.0
"""Pictures of a folder, without labels: what a network is calibrated on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from peritus.image import fit_image, with_channels
from quant_models.data.dataset import DataError
from quant_models.data.folder import existing_folder, read_image

SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")


def read_photos(
    folder: Path, count: int, height: int, width: int, channels: int = 3
) -> npt.NDArray[np.uint8]:
    """Up to `count` pictures of a folder and the folders in it, evenly spread over its names.

    Returns:
        uint8 [n, height, width, channels], each the largest centred part of its aspect, scaled.
    Raises:
        DataError: no such folder, no picture in it, or one that cannot be read.
    """
    root = existing_folder(folder)
    files = sorted(path for path in root.rglob("*") if path.suffix.lower() in SUFFIXES)
    if not files:
        raise DataError(f"folder {folder} has no picture ({', '.join(SUFFIXES)})")
    chosen = [
        files[i]
        for i in np.unique(np.linspace(0, len(files) - 1, min(count, len(files))).round().astype(int))
    ]
    return np.stack([with_channels(fit_image(read_image(path), height, width), channels) for path in chosen])
