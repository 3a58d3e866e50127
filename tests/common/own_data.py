# SPDX-License-Identifier: Apache-2.0
"""Small folders of one's own data, as users have them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

SIZE = 48, 80  # of the pictures: another one than any network's
CLASSES = ("ground", "wall", "sky")


def write_maps(root: Path, count: int, seed: int = 0) -> Path:
    """images/, labels/ and depth/ with `count` samples in `root`: dark below, bright above."""
    rng = np.random.default_rng(seed)
    for name in ("images", "labels", "depth"):
        (root / name).mkdir(parents=True, exist_ok=True)
    height, width = SIZE
    for index in range(count):
        line = int(rng.integers(12, height - 12))
        labels = np.where(np.arange(height)[:, None] < line, 2, 0) * np.ones((1, width), int)
        labels[:4, :4] = 255
        picture = np.where(labels[..., None] == 2, 200, 40) + rng.integers(0, 30, (height, width, 3))
        Image.fromarray(picture.astype(np.uint8)).save(root / "images" / f"{index:03d}.png")
        Image.fromarray(labels.astype(np.uint8)).save(root / "labels" / f"{index:03d}.png")
        np.save(root / "depth" / f"{index:03d}.npy", np.where(labels == 0, 4.0, 40.0).astype(np.float32))
    return root


def write_classes_file(root: Path) -> Path:
    """classes.txt with CLASSES."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "classes.txt").write_text("\n".join(CLASSES) + "\n")
    return root


def write_folders(root: Path, classes: tuple[str, ...], count: int) -> Path:
    """A folder per class with `count` pictures of one grey each."""
    for index, name in enumerate(classes):
        (root / name).mkdir(parents=True)
        for number in range(count):
            grey = np.full((*SIZE, 3), 20 + 60 * index + number, np.uint8)
            Image.fromarray(grey).save(root / name / f"{number}.png")
    return root
