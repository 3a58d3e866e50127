# SPDX-License-Identifier: Apache-2.0
"""The float network on a data set: its scores, and what it did inside, to compare integers with."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from peritus.evaluation import Frame
from quant_models.data.dataset import Dataset
from quant_models.network.model import M3ViT
from quant_models.network.moe import MoeMlp
from quant_models.training.scores import score


@dataclass(eq=False)
class Teacher:
    """scores: as `quant_models.training.scores`. By (image, task): features float32 [tokens, d], and the
    experts chosen, [layers with experts, tokens, top_k]."""

    scores: dict[str, float] = field(default_factory=dict)
    features: dict[tuple[int, str], npt.NDArray[np.float32]] = field(default_factory=dict)
    routing: dict[tuple[int, str], npt.NDArray[np.int64]] = field(default_factory=dict)


@torch.no_grad()
def observe(net: M3ViT, data: Dataset, progress: Callable[[int], None] | None = None) -> Teacher:
    """Run a float network over all images and tasks of `data`."""
    net.eval()
    teacher = Teacher()
    done = 0

    def outputs(images: Tensor) -> dict[str, Tensor]:
        nonlocal done
        maps = {}
        for task in net.config.task_names:
            features = net.features(images, task)
            maps[task] = net.decoder(task)(features)
            moes = [b.mlp.decisions[0].indices for b in net.backbone.layers if isinstance(b.mlp, MoeMlp)]
            for i in range(len(images)):
                teacher.features[done + i, task] = features[i].numpy()
                if moes:
                    chosen = torch.stack([m.chunk(len(images))[i] for m in moes])
                    teacher.routing[done + i, task] = chosen.numpy()
        done += len(images)
        if progress is not None:
            progress(done)
        return maps

    teacher.scores = score(outputs, net.config, data)
    return teacher


@dataclass
class Comparison:
    """Adds up frames of an integer model against the same frames of its float network."""

    teacher: Teacher
    signal: float = 0.0
    noise: float = 0.0
    same: int = 0
    picks: int = 0

    def __call__(self, frame: Frame) -> None:
        expected = self.teacher.features[frame.image, frame.task].astype(np.float64)
        self.signal += float(np.square(expected).sum())
        self.noise += float(np.square(frame.features - expected).sum())
        goal = self.teacher.routing.get((frame.image, frame.task))
        if goal is None:
            return
        for mine, theirs in zip(frame.routing.values(), goal, strict=True):
            self.same += int((mine[:, :, None] == theirs[:, None, :]).sum())
            self.picks += mine.size

    @property
    def snr_db(self) -> float:
        """Signal to noise of the features, in decibels, over all images and tasks."""
        return 10 * math.log10(self.signal / self.noise) if self.noise else math.inf

    @property
    def agreement(self) -> float:
        """Share of the experts chosen that the float network chooses too; NaN without experts."""
        return self.same / self.picks if self.picks else math.nan
