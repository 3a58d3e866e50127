# SPDX-License-Identifier: Apache-2.0
"""Where the trained weights lie that come with a checkout, and the study of them."""

from __future__ import annotations

from pathlib import Path

from peritus.api import MODELS, model_path
from peritus.ir import QuantModel
from quant_models.data.open import classes_of
from quant_models.data.scenes import SceneDataset
from quant_models.network.config import M3VIT_TINY, VIT_TINY_DENSE, named_config
from quant_models.network.weights import weights_config
from quant_models.study.run import Study

# Not in the wheel: float16 weights.
FOLDER = Path(__file__).resolve().parent.parent / "trained"
DENSE = VIT_TINY_DENSE.name


def float_file(name: str, folder: Path = FOLDER) -> Path:
    """Float weights of a named model."""
    return folder / f"{name}.float16.safetensors"


def int4_file(name: str, folder: Path = MODELS) -> Path:
    """Integer model with 4-bit experts of a named model."""
    return folder / f"{name}_int4.safetensors"


def shipped_study(
    name: str,
    count: int,
    calibration: int,
    folder: Path | None = None,
    cache: Path | None = None,
    workers: int | None = None,
) -> Study:
    """The study of a shipped model on `count` test scenes, calibrated on the first training scenes.

    folder: of other weights than the shipped ones; its 8-bit model is `<name>.int8.safetensors`.

    Raises:
        WeightsError, ModelFileError: a file is missing or damaged.
    """
    config = named_config(name)
    classes = classes_of(config.tasks)
    size = {"height": config.image_height, "width": config.image_width}
    int8 = model_path(name) if folder is None else folder / f"{name}.int8.safetensors"
    int4 = int4_file(name, folder or MODELS)
    folder = folder or FOLDER
    dense = float_file(DENSE, folder) if config == M3VIT_TINY else None
    integer_models = {"W8A8 after QAT": int8, "W8A8, int4 experts, after QAT": int4}
    # A missing file is told now, not after minutes.
    for weights in filter(None, (float_file(name, folder), dense)):
        weights_config(weights)
    for model in integer_models.values():
        QuantModel.load(model)
    return Study(
        float_file(name, folder),
        dense,
        integer_models,
        SceneDataset("train", max(calibration, 1024), cache, classes=classes, **size),
        SceneDataset("test", count, cache, classes=classes, **size),
        calibration,
        workers,
    )
