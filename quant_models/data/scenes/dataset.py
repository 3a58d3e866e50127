# SPDX-License-Identifier: Apache-2.0
"""Generated scenes as a data set: splits by seed, cached on disk."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from quant_models.data.dataset import DataError, Sample, Target
from quant_models.data.scenes.classes import label_map
from quant_models.data.scenes.frame import HEIGHT, WIDTH
from quant_models.data.scenes.resize import check_size
from quant_models.data.scenes.scene import VERSION
from quant_models.data.scenes.shards import SHARD, Records, open_shard, write_missing
from quant_models.network.config import CITYSCAPES_CLASSES, TaskConfig

SEEDS_PER_SPLIT = 10_000_000
# First seed of each split; scene i of a split has seed first + i, whatever the count.
SPLITS = {"train": 0, "val": SEEDS_PER_SPLIT, "test": 2 * SEEDS_PER_SPLIT}


def default_cache() -> Path:
    """$XDG_CACHE_HOME/peritus, else ~/.cache/peritus."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "peritus"


class SceneDataset:
    """`count` scenes of one split, at height x width (divisors of 128 x 256), labelled in `classes`.

    Scenes missing in the cache are generated on construction, in whole shards, by `workers` processes
    (default: all cores; a script that asks for more than one needs the usual `if __name__ == "__main__"`).
    A damaged shard is generated again. Files: <cache>/scenes-v<VERSION>/<split>-<height>x<width>/<index>.npy.

    Raises:
        DataError: unknown split, count out of range, a size or classes that scenes do not fit, a cache that
            cannot be written.
    """

    def __init__(
        self,
        split: str,
        count: int,
        cache: Path | None = None,
        height: int = HEIGHT,
        width: int = WIDTH,
        classes: tuple[str, ...] = CITYSCAPES_CLASSES,
        workers: int | None = None,
    ) -> None:
        if split not in SPLITS:
            raise DataError(f"split {split!r} of generated scenes: expected one of {', '.join(SPLITS)}")
        if not 1 <= count <= SEEDS_PER_SPLIT:
            raise DataError(f"count = {count}, must be 1 to {SEEDS_PER_SPLIT}")
        check_size(height, width)
        self._labels = label_map(classes)
        self._count = count
        self._tasks = (
            TaskConfig("semseg", "segmentation", len(classes), classes),
            TaskConfig("depth", "depth", 1),
        )
        self._name = f"scenes-v{VERSION}-{split}-{height}x{width}"
        folder = (cache or default_cache()) / f"scenes-v{VERSION}" / f"{split}-{height}x{width}"
        starts = range(0, count, SHARD)
        paths = [folder / f"{start:07d}.npy" for start in starts]
        missing = [
            (path, SPLITS[split] + start)
            for path, start in zip(paths, starts, strict=True)
            if open_shard(path, height, width) is None
        ]
        write_missing(missing, height, width, os.cpu_count() or 1 if workers is None else workers)
        opened = [_opened(path, height, width) for path in paths]
        self._shards = [shard for shard, _ in opened]
        content = repr((self._name, count, classes, [digest for _, digest in opened]))
        self._fingerprint = hashlib.sha256(content.encode()).hexdigest()[:16]

    @property
    def name(self) -> str:
        return self._name

    @property
    def tasks(self) -> tuple[TaskConfig, ...]:
        return self._tasks

    @property
    def fingerprint(self) -> str:
        """As `Dataset.fingerprint`."""
        return self._fingerprint

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> Sample:
        images, targets = self.batch(np.array([range(self._count)[index]]))
        return Sample(images[0], {task: target[0] for task, target in targets.items()})

    def batch(self, indices: npt.NDArray[Any]) -> tuple[npt.NDArray[np.uint8], dict[str, Target]]:
        """Scenes at integer `indices` [B], 0 <= index < len(self), in that order.

        Returns:
            images uint8 [B, H, W, 3]; "semseg" uint8 [B, H, W] indices into `classes`; "depth" float32
            [B, H, W] metres.

        Raises:
            IndexError: an index out of range.
        """
        indices = np.asarray(indices, np.intp)
        if indices.size and (indices.min() < 0 or indices.max() >= self._count):
            raise IndexError(
                f"scene indices {indices.min()} .. {indices.max()}, must be in 0 .. {self._count - 1}"
            )
        found = np.empty(indices.shape, self._shards[0].dtype)
        for position, index in enumerate(indices):
            found[position] = self._shards[index // SHARD][index % SHARD]
        targets = {"semseg": self._labels[found["semseg"]], "depth": found["depth"].astype(np.float32)}
        return np.ascontiguousarray(found["image"]), targets


def _opened(path: Path, height: int, width: int) -> tuple[Records, str]:
    shard = open_shard(path, height, width)
    if shard is None:
        raise DataError(
            f"{path} is not a shard of {SHARD} scenes of {height} x {width}, although just written"
        )
    return shard
