# SPDX-License-Identifier: Apache-2.0
"""Whole runs: a folder in, trained weights out."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from peritus.schema import file_name
from quant_models.data.dataset import Dataset
from quant_models.network.config import M3ViTConfig
from quant_models.network.weights import load_weights, save_weights, weights_provenance
from quant_models.quantization.quantize import integer_model
from quant_models.training.config import TrainingConfig
from quant_models.training.engine import Machine, train
from quant_models.training.float_stage import FloatStage, start
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
) -> Path:
    """Train a network from scratch, or go on with the run in `folder`; returns the file of its weights."""
    stage = FloatStage(start(config, data, training.seed), training)
    train(stage, training, data, validation, folder, machine, console)
    file = folder / WEIGHTS_FILE
    save_weights(stage.module.cpu(), file, provenance=provenance)
    return file


def weights_hash(file: Path) -> str:
    """A short name for the contents of a weight file."""
    return hashlib.sha256(file.read_bytes()).hexdigest()[:16]


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
        WeightsError: the weights are of another architecture.
    """
    teacher = load_weights(weights, config)
    machine = replace(machine, bf16=False)  # integers up to 2^23 stand for themselves in this stage
    stage = QatStage.begin(teacher, weights_hash(weights), data, training)
    train(stage, training, data, validation, folder, machine, console)
    provenance = (
        f"{weights_provenance(weights)}; QAT: {training.steps} steps, batch {training.batch}, "
        f"learning rate {training.learning_rate:g}, distillation {training.distillation:g}, "
        f"seed {training.seed}"
    )
    file = folder / f"{file_name(config.name)}.safetensors"
    integer_model(stage.module.cpu(), provenance).save(file)
    return file
