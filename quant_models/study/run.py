# SPDX-License-Identifier: Apache-2.0
"""The quantization study: one row per way to integers, all on the same unseen images."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from peritus import api
from peritus.evaluation import OnDevice, evaluate
from peritus.ir import Affine, QuantModel
from quant_models.data.dataset import Dataset
from quant_models.network.model import M3ViT
from quant_models.network.weights import load_weights
from quant_models.quantization.quantize import quantize
from quant_models.quantization.recipe import Recipe
from quant_models.study.baselines import position_prior
from quant_models.study.teacher import Comparison, Teacher, observe
from quant_models.training.batches import check_data, gather

Progress = Callable[[str, int, int], None]  # row, images done, images in all

POST_TRAINING = {
    "W8A8 PTQ, one scale per tensor": Recipe(scales="tensor"),
    "W8A8 PTQ, scales per channel": Recipe(),
    "W8A8 PTQ, per channel + GPTQ": Recipe(gptq=True),
    "W8A8 PTQ, int4 experts + GPTQ": Recipe(gptq=True, expert_bits=4),
}


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. `megabytes`: weights in this arithmetic. `snr_db`, `agreement`: against the
    float network; None for networks that are not its integers. `seconds`: what the row took here."""

    name: str
    integer: bool
    megabytes: float
    miou: float
    rmse: float
    snr_db: float | None
    agreement: float | None
    seconds: float

    def record(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, eq=False)
class Study:
    """What is compared: weights of the float network and of its dense yardstick, trained integer models.

    device, hw: integer models run there in place of the executor, and nobody sees inside: there is no SNR of
    features and no agreement of routers then.
    """

    float_weights: Path
    dense_weights: Path | None
    integer_models: dict[str, Path]
    training: Dataset
    test: Dataset
    calibration_images: int = 128
    workers: int | None = None
    device: str | None = None
    hw: str = "zcu104"

    def rows(self, progress: Progress | None = None) -> Iterator[Row]:
        """Every row as soon as it is measured.

        Raises:
            WeightsError, ModelFileError: a file is missing or damaged. DataError: data do not fit the model.
        """
        net = load_weights(self.float_weights)
        for data in (self.training, self.test):
            check_data(data, net.config)
        since = time.monotonic()
        prior = position_prior(net.config, self.training, 1024, self.test)
        yield _row("class and depth by position", False, 0, prior, since)
        if self.dense_weights is not None:
            since = time.monotonic()
            dense = load_weights(self.dense_weights)
            scores = observe(dense, self.test, _named(progress, "dense", len(self.test))).scores
            yield _row("float, dense ViT of equal MACs", False, _float_bytes(dense), scores, since)
        since = time.monotonic()
        teacher = observe(net, self.test, _named(progress, "float", len(self.test)))
        yield _row("float", False, _float_bytes(net), teacher.scores, since)
        count = min(self.calibration_images, len(self.training))
        calibration = gather(self.training, np.arange(count)).images
        for name, recipe in POST_TRAINING.items():
            since = time.monotonic()
            yield self._integer_row(name, quantize(net, calibration, recipe=recipe), teacher, since, progress)
        for name, file in self.integer_models.items():
            since = time.monotonic()
            yield self._integer_row(name, QuantModel.load(file), teacher, since, progress)

    def _integer_row(
        self, name: str, model: QuantModel, teacher: Teacher, since: float, progress: Progress | None
    ) -> Row:
        graph = model.graph
        on = None if self.device is None else OnDevice(self.device, api.compile(model, hw=self.hw))
        comparison = Comparison(teacher) if on is None else None
        result = evaluate(
            model,
            (self.test[i].image for i in range(len(self.test))),
            (self.test[i].targets for i in range(len(self.test))),
            workers=self.workers,
            observe=comparison,
            progress=_named(progress, name, len(self.test)),
            on=on,
        )
        seen = (None, None) if comparison is None else (comparison.snr_db, comparison.agreement)
        return _row(name, True, _integer_bytes(graph), result.record(), since, *seen)


def _named(progress: Progress | None, name: str, total: int) -> Callable[[int], None] | None:
    return None if progress is None else lambda done: progress(name, done, total)


def _row(
    name: str,
    integer: bool,
    size: float,
    scores: dict[str, float],
    since: float,
    snr_db: float | None = None,
    agreement: float | None = None,
) -> Row:
    miou = next(value for key, value in scores.items() if key.endswith("_miou"))
    rmse = next(value for key, value in scores.items() if key.endswith("_rmse"))
    return Row(name, integer, size / 1e6, miou, rmse, snr_db, agreement, time.monotonic() - since)


def _float_bytes(net: M3ViT) -> float:
    return sum(parameter.numel() * torch.float32.itemsize for parameter in net.parameters())


def _integer_bytes(record: Any) -> float:
    """Bytes of all weight matrices below a record of the integer graph."""
    if isinstance(record, Affine):
        return record.weight.size * record.weight_bits / 8
    if isinstance(record, tuple):
        return sum(map(_integer_bytes, record))
    if is_dataclass(record):
        return sum(_integer_bytes(getattr(record, field.name)) for field in fields(record))
    return 0
