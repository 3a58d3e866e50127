# SPDX-License-Identifier: Apache-2.0
"""How good a model's maps are: metrics, and the integer executor over many images."""

from peritus.evaluation.evaluate import Evaluation, EvaluationError, Frame, OnDevice, evaluate
from peritus.evaluation.metrics import (
    IGNORE,
    NO_DEPTH,
    ConfusionMatrix,
    DepthError,
    MetricError,
    Ranking,
    new_metric,
    scores_of,
)
from peritus.evaluation.workers import WorkerError

__all__ = [
    "IGNORE",
    "NO_DEPTH",
    "ConfusionMatrix",
    "DepthError",
    "Evaluation",
    "EvaluationError",
    "Frame",
    "MetricError",
    "OnDevice",
    "Ranking",
    "WorkerError",
    "evaluate",
    "new_metric",
    "scores_of",
]
