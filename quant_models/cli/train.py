# SPDX-License-Identifier: Apache-2.0
"""`peritus train`: float multi-task training, then quantization-aware training."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from peritus.cli.common import progress_console, reports_errors
from quant_models.cli.extras import needs_models


@reports_errors
@needs_models
def train_command(
    model: Annotated[str, typer.Argument(help="m3vit_tiny, m3vit_micro or vit_tiny_dense.")],
    run: Annotated[Path, typer.Option("--run", help="Folder of the run; one that was stopped goes on.")],
    data: Annotated[
        str, typer.Option(help="scenes (generated), cityscapes:FOLDER, nyud:FOLDER or pascal:FOLDER.")
    ] = "scenes",
    images: Annotated[int, typer.Option(min=1, help="Training images in use.")] = 12288,
    validation: Annotated[int, typer.Option(min=1, help="Validation images in use.")] = 128,
    cache: Annotated[Path | None, typer.Option(help="Where generated scenes are kept.")] = None,
    steps: Annotated[int, typer.Option(min=1, help="Steps of float training.")] = 2400,
    batch: Annotated[
        int, typer.Option(min=1, help="Images of a step; every one is used for all tasks.")
    ] = 16,
    learning_rate: Annotated[float, typer.Option(help="Peak learning rate of float training.")] = 1e-3,
    weights: Annotated[
        Path | None, typer.Option(help="Float weights to quantize: no float training, only what follows.")
    ] = None,
    qat_steps: Annotated[
        int, typer.Option(min=0, help="Steps of quantization-aware training; 0: float training only.")
    ] = 0,
    qat_learning_rate: Annotated[
        float, typer.Option(help="Its peak learning rate, relative to the size of each tensor's weights.")
    ] = 1e-3,
    distillation: Annotated[
        float, typer.Option(help="Weight of the float network's features and routers in it.")
    ] = 0.5,
    expert_bits: Annotated[int, typer.Option(help="Width of the experts' weights: 8 or 4.")] = 8,
    seed: Annotated[int, typer.Option(min=0, help="Everything random follows from it.")] = 0,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    bf16: Annotated[bool, typer.Option("--bf16", help="Float training in bfloat16.")] = False,
    threads: Annotated[int, typer.Option(min=0, help="CPU threads; 0: PyTorch's choice.")] = 0,
    save_every: Annotated[int, typer.Option(min=1, help="Steps between two saved states.")] = 100,
    validate_every: Annotated[int, typer.Option(min=1, help="Steps between two validations.")] = 250,
) -> None:
    """Train a multi-task network, then its fake-quantized model.

    RUN/float gets the state, metrics.jsonl, curves.png and float.safetensors; RUN/qat8 (or qat4) the same
    and the integer model MODEL.safetensors. Ctrl-C saves; the same command goes on, to the same result.
    """
    import torch

    from quant_models.data.open import classes_of, open_dataset
    from quant_models.network.config import ConfigError, named_config
    from quant_models.network.weights import load_weights
    from quant_models.training.config import TrainingConfig
    from quant_models.training.engine import Machine
    from quant_models.training.run import train_float, train_quantized

    config = named_config(model)
    if weights is not None:
        if not qat_steps:
            raise ConfigError("--weights without --qat-steps leaves nothing to do")
        load_weights(weights, config)  # a wrong file is told before data are generated
    if threads:
        torch.set_num_threads(threads)
    machine = Machine(device, bf16, save_every=save_every, validate_every=validate_every)
    shape: dict[str, Any] = {"height": config.image_height, "width": config.image_width, "cache": cache}
    classes = classes_of(config.tasks)
    training_data = open_dataset(data, "train", classes=classes, count=images, **shape)
    validation_data = open_dataset(data, "val", classes=classes, count=validation, **shape)
    sets = (training_data, validation_data)
    provenance = f"peritus train {model} --data {data.partition(':')[0]} --images {images} --seed {seed}"
    if weights is None:
        training = TrainingConfig("float", steps, batch, learning_rate, seed=seed)
        provenance += f" --steps {steps} --batch {batch} --learning-rate {learning_rate:g}"
        weights = train_float(config, training, *sets, run / "float", machine, progress_console, provenance)
        typer.echo(f"float weights: {weights}")
    if qat_steps:
        qat = TrainingConfig(
            "qat",
            qat_steps,
            batch,
            qat_learning_rate,
            warmup=min(20, qat_steps),
            weight_decay=0.0,
            distillation=distillation,
            expert_bits=expert_bits,
            seed=seed,
        )
        file = train_quantized(
            config, qat, weights, *sets, run / f"qat{expert_bits}", machine, progress_console
        )
        typer.echo(f"integer model: {file}")
