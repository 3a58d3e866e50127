# SPDX-License-Identifier: Apache-2.0
"""Whole runs: a folder in, trained weights out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from rich.console import Console

from peritus.ir.tensor_file import content_hash
from peritus.schema import file_name
from quant_models.data.dataset import Dataset
from quant_models.network.config import M3ViTConfig
from quant_models.network.weights import load_weights, save_weights, weights_provenance
from quant_models.quantization.quantize import integer_model
from quant_models.training.config import TrainingConfig
from quant_models.training.engine import Machine, train
from quant_models.training.float_stage import FloatStage, start
from quant_models.training.lock import locked
from quant_models.training.qat_stage import QatStage

WEIGHTS_FILE = "float.safetensors"


def train_float(
    config: M3ViTConfig,
    training: TrainingConfig,
    data: Dataset,
    validation: Dataset,
    folder: Path,
    machine: Machine,
    console: Console | None = None,
    provenance: str = "",
    begin: Path | None = None,
) -> Path:
    """Train a network from scratch or from the float weights `begin`, or go on with the run in `folder`.

    Returns the file of its weights.

    Raises:
        WeightsError: `begin` holds another architecture or other tasks. RunFolderError: another process
        works in the folder. As `engine.train`.
    """
    file = folder / WEIGHTS_FILE
    with locked(folder):
        if begin is None:
            stage = FloatStage(start(config, data, training.seed), training)
        else:
            stage = FloatStage(load_weights(begin, config), training, content_hash(begin)[:16])
        train(stage, training, data, validation, folder, machine, console)
        save_weights(stage.module.cpu(), file, provenance=provenance)
    return file


def train_quantized(
    config: M3ViTConfig,
    training: TrainingConfig,
    weights: Path,
    data: Dataset,
    validation: Dataset,
    folder: Path,
    machine: Machine,
    console: Console | None = None,
) -> Path:
    """Quantize float weights, train the fake-quantized model, and write the integer model; returns its file.

    Raises:
        WeightsError: the weights are of another architecture. RunFolderError: another process works in the
        folder. As `engine.train`.
    """
    teacher = load_weights(weights, config)
    machine = replace(machine, bf16=False)  # integers up to 2^23 stand for themselves in this stage
    file = folder / f"{file_name(config.name)}.safetensors"
    with locked(folder):
        stage = QatStage.begin(teacher, content_hash(weights)[:16], data, training)
        train(stage, training, data, validation, folder, machine, console)
        provenance = (
            f"{weights_provenance(weights)}; QAT: {training.steps} steps, batch {training.batch}, "
            f"learning rate {training.learning_rate:g}, distillation {training.distillation:g}, "
            f"seed {training.seed}"
        )
        integer_model(stage.module.cpu(), provenance).save(file)
    return file
