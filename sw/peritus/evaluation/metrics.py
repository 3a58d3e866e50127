# SPDX-License-Identifier: Apache-2.0
"""Metrics of dense prediction and of classification, accumulated over a data set; NumPy only.

An accumulator takes one image, or a batch of any shape, at a time; `merge` joins two of them, so that images
can be shared out among processes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from peritus.errors import PeritusError

IGNORE = 255  # label of pixels that count in no class
NO_DEPTH = 0.0  # metres; depth of pixels that were not measured


class MetricError(PeritusError):
    """Predictions that do not fit their targets; names both."""


def _check_shapes(predicted: npt.NDArray[Any], target: npt.NDArray[Any]) -> None:
    if predicted.shape != target.shape:
        raise MetricError(
            f"predictions have shape {list(predicted.shape)}, expected {list(target.shape)}, as the targets"
        )


@dataclass
class ConfusionMatrix:
    """Pixels by class: counts[label, prediction], int64 [classes, classes]."""

    classes: int
    counts: npt.NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        if not 1 <= self.classes <= IGNORE:
            raise MetricError(f"{self.classes} classes, must be 1..{IGNORE}")
        self.counts = np.zeros((self.classes, self.classes), np.int64)

    def update(self, predicted: npt.NDArray[Any], target: npt.NDArray[Any]) -> None:
        """Add class indices of equal shape; pixels whose target is IGNORE do not count.

        Raises:
            MetricError: shapes differ, or a class index is out of range.
        """
        _check_shapes(predicted, target)
        valid = target != IGNORE
        label, winner = target[valid].astype(np.int64), predicted[valid].astype(np.int64)
        for what, values in (("target", label), ("predicted", winner)):
            wrong = values[(values < 0) | (values >= self.classes)]
            if wrong.size:
                raise MetricError(f"{what} class {wrong[0]}, must be 0..{self.classes - 1}")
        pairs = np.bincount(label * self.classes + winner, minlength=self.classes**2)
        self.counts += pairs.reshape(self.classes, self.classes)

    def merge(self, other: ConfusionMatrix) -> None:
        """Add what another accumulator has seen."""
        if other.classes != self.classes:
            raise MetricError(f"a confusion matrix of {other.classes} classes, expected {self.classes}")
        self.counts += other.counts

    @property
    def iou(self) -> npt.NDArray[np.float64]:
        """Intersection over union of each class, [classes]; NaN for classes that no label has."""
        hits, labels = np.diag(self.counts).astype(np.float64), self.counts.sum(axis=1)
        union = labels + self.counts.sum(axis=0) - hits
        return np.where(labels > 0, hits / np.maximum(union, 1), np.nan)

    @property
    def mean_iou(self) -> float:
        """Mean IoU, 0..1, of the classes that the labels have; NaN without any label."""
        present = self.iou[self.counts.sum(axis=1) > 0]
        return float(present.mean()) if present.size else math.nan

    @property
    def accuracy(self) -> float:
        """Share of the labelled pixels that are right, 0..1; NaN without any label."""
        total = int(self.counts.sum())
        return float(np.trace(self.counts)) / total if total else math.nan


@dataclass
class DepthError:
    """Sums over all pixels of known depth (not the mean of the images' errors).

    squares: of the errors, in square metres. relative: of |error| / depth.
    """

    pixels: int = 0
    squares: float = 0.0
    relative: float = 0.0

    def update(self, predicted: npt.NDArray[Any], target: npt.NDArray[Any]) -> None:
        """Add depths in metres, of equal shape; pixels whose target is NO_DEPTH do not count.

        Raises:
            MetricError: shapes differ, or a target is negative or not finite.
        """
        _check_shapes(predicted, target)
        known = target != NO_DEPTH
        depth = target[known].astype(np.float64)
        wrong = depth[~(np.isfinite(depth) & (depth > 0))]
        if wrong.size:
            raise MetricError(f"target depth {wrong[0]} m, must be positive, or {NO_DEPTH:g} where unknown")
        error = predicted[known].astype(np.float64) - depth
        self.pixels += depth.size
        self.squares += float(np.square(error).sum())
        self.relative += float((np.abs(error) / depth).sum())

    def merge(self, other: DepthError) -> None:
        """Add what another accumulator has seen."""
        self.pixels += other.pixels
        self.squares += other.squares
        self.relative += other.relative

    @property
    def rmse(self) -> float:
        """Root of the mean square error, in metres; NaN without any known depth."""
        return math.sqrt(self.squares / self.pixels) if self.pixels else math.nan

    @property
    def abs_rel(self) -> float:
        """Mean of |error| / depth; NaN without any known depth."""
        return self.relative / self.pixels if self.pixels else math.nan


@dataclass
class Ranking:
    """Where the right class of each image stands among all by its logit; of equals, the lower index first.

    images: seen. first, five: those whose class is the first, or among the first five.
    """

    classes: int
    images: int = 0
    first: int = 0
    five: int = 0

    def update(self, logits: npt.NDArray[Any], target: npt.NDArray[Any]) -> None:
        """Add logits [..., classes] and class indices [...].

        Raises:
            MetricError: shapes differ, or a class index is out of range.
        """
        if logits.shape != (*target.shape, self.classes):
            raise MetricError(
                f"logits have shape {list(logits.shape)}, expected {[*target.shape, self.classes]}"
            )
        wrong = target[(target < 0) | (target >= self.classes)]
        if wrong.size:
            raise MetricError(f"target class {wrong[0]}, must be 0..{self.classes - 1}")
        own = np.take_along_axis(logits, target[..., None].astype(np.int64), axis=-1)
        before = (logits > own) | ((logits == own) & (np.arange(self.classes) < target[..., None]))
        rank = before.sum(axis=-1)
        self.images += target.size
        self.first += int((rank == 0).sum())
        self.five += int((rank < 5).sum())

    def merge(self, other: Ranking) -> None:
        """Add what another accumulator has seen."""
        self.images += other.images
        self.first += other.first
        self.five += other.five

    @property
    def top1(self) -> float:
        """Share of the images whose class is the first, 0..1; NaN without any."""
        return self.first / self.images if self.images else math.nan

    @property
    def top5(self) -> float:
        """Share of the images whose class is among the first five, 0..1; NaN without any."""
        return self.five / self.images if self.images else math.nan


Metric = ConfusionMatrix | DepthError | Ranking


def new_metric(kind: str, channels: int) -> Metric:
    """The accumulator of a task of this kind."""
    if kind == "classification":
        return Ranking(channels)
    return DepthError() if kind == "depth" else ConfusionMatrix(channels)


def scores_of(metrics: Mapping[str, Metric]) -> dict[str, float]:
    """By task: "<task>_miou" and "<task>_accuracy" (0..1); "<task>_rmse" in metres and "<task>_abs_rel";
    "<task>_top1" and, of more than five classes, "<task>_top5" (0..1).

    Raises:
        MetricError: a task without a single label: there is nothing to score.
    """
    found: dict[str, float] = {}
    for task, metric in metrics.items():
        if isinstance(metric, ConfusionMatrix):
            scores = {"miou": metric.mean_iou, "accuracy": metric.accuracy}
        elif isinstance(metric, Ranking):
            scores = {"top1": metric.top1} | ({"top5": metric.top5} if metric.classes > 5 else {})
        else:
            scores = {"rmse": metric.rmse, "abs_rel": metric.abs_rel}
        if any(map(math.isnan, scores.values())):
            raise MetricError(f'task {task}: the images have no label (all say "unknown"), nothing to score')
        found |= {f"{task}_{name}": value for name, value in scores.items()}
    return found
