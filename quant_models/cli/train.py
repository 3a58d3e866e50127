# SPDX-License-Identifier: Apache-2.0
"""`peritus train`: float multi-task training, then quantization-aware training."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from peritus.cli.common import busy, counted, progress_console, reports_errors
from peritus.ir import QuantModel
from peritus.ir.tensor_file import write_whole
from peritus.provenance import Provenance
from quant_models.cli.evaluate import integer_scores
from quant_models.cli.extras import needs_models
from quant_models.cli.options import DataOption

if TYPE_CHECKING:
    from quant_models.data.dataset import Dataset
    from quant_models.network.config import M3ViTConfig


@reports_errors
@needs_models
def train_command(
    model: Annotated[str, typer.Argument(help="m3vit_tiny, m3vit_micro or vit_tiny_dense.")],
    run: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the run; one that was stopped goes on. Default: OUTPUT's name with .run."
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="What comes out, integers or else float weights (.safetensors)."),
    ] = None,
    data: DataOption = "scenes",
    images: Annotated[
        int | None, typer.Option(min=1, help="Training images; default: all there are, 12288 scenes.")
    ] = None,
    validation: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Validation images; default: all there are, 128 scenes. Held out of an undivided folder.",
        ),
    ] = None,
    cache: Annotated[Path | None, typer.Option(help="Where generated scenes are kept.")] = None,
    steps: Annotated[int, typer.Option(min=1, help="Steps of float training.")] = 2400,
    batch: Annotated[
        int, typer.Option(min=1, help="Images of a step; every one is used for all tasks.")
    ] = 16,
    learning_rate: Annotated[float, typer.Option(help="Peak learning rate of float training.")] = 1e-3,
    begin: Annotated[
        Path | None,
        typer.Option("--from", help="Float weights of the same network that float training begins with."),
    ] = None,
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
    and the integer model MODEL.safetensors, which is scored bit-exactly on the validation images. Ctrl-C
    saves; the same command goes on, to the same result.

    Of one's own data (folder:, imagefolder:) the network takes over tasks and classes, unless it has them.
    """
    import torch

    from quant_models.data.open import open_training
    from quant_models.network.config import ConfigError, named_config
    from quant_models.network.weights import load_weights, weights_config, weights_provenance
    from quant_models.training.config import TrainingConfig
    from quant_models.training.engine import Machine
    from quant_models.training.run import train_float, train_quantized

    config = named_config(model)
    if run is None and output is None:
        raise ConfigError("neither --run nor --output is given: where should the run be kept?")
    if output is not None:
        check_output(output)
    folder = run if run is not None else (output or Path()).with_suffix(".run")
    if begin is not None and weights is not None:
        raise ConfigError("--from begins float training, --weights leaves it out: give one of them")
    if weights is not None and not qat_steps:
        raise ConfigError("--weights without --qat-steps leaves nothing to do")
    if (given := weights or begin) is not None:
        config = replace(config, tasks=weights_config(given).tasks)
        load_weights(given, config)  # a wrong file is told before data are generated
    if threads:
        torch.set_num_threads(threads)
    machine = Machine(device, bf16, save_every=save_every, validate_every=validate_every)
    sets = open_training(
        config.tasks,
        data,
        config.image_height,
        config.image_width,
        count=images,
        validation=validation,
        cache=cache,
    )
    with busy(f"Reading {sets[0].name}"):
        content = sets[0].fingerprint
    if weights is None:
        if begin is None:
            config = fitted(config, sets[0])
        training = TrainingConfig("float", steps, batch, learning_rate, seed=seed)
        provenance = (
            f"peritus train {model} --data {data.partition(':')[0]} --images {len(sets[0])} ({content}) "
            f"--seed {seed} --steps {steps} --batch {batch} --learning-rate {learning_rate:g}"
        )
        if begin is not None:
            earlier = Provenance.parse(weights_provenance(begin))  # what was untrained in it is so no more
            provenance += f"; begun with {'; '.join((earlier.source, *earlier.steps))}"
        weights = train_float(
            config, training, *sets, folder / "float", machine, progress_console, provenance, begin
        )
        typer.echo(f"float weights: {weights}")
    product = weights
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
        stage = folder / f"qat{expert_bits}"
        product = train_quantized(config, qat, weights, *sets, stage, machine, progress_console)
        typer.echo(f"integer model: {product}")
        integer = QuantModel.load(product)
        with counted(f"Evaluating {integer.name}", len(sets[1])) as progress:
            scores = integer_scores(integer, sets[1], 0, progress)
        for metric, value in scores.items():
            typer.echo(f"{metric}: {value:.4f} ({len(sets[1])} images of {sets[1].name})")
    if output is not None:
        write_whole(output, product.read_bytes())
        typer.echo(f"written: {output}")


def check_output(output: Path) -> None:
    """ConfigError unless a model can be written there: told before hours of training."""
    from quant_models.network.config import ConfigError

    if output.suffix != ".safetensors" or output.is_dir():
        raise ConfigError(f"--output {output} must be a file that ends in .safetensors")
    if not os.access(output.parent, os.W_OK | os.X_OK):
        raise ConfigError(f"--output {output}: folder {output.parent} does not exist or cannot be written")


def fitted(config: M3ViTConfig, data: Dataset) -> M3ViTConfig:
    """The network itself, if the data set has what its tasks learn; else one with the data set's tasks."""
    offered = {task.name: task for task in data.tasks}
    fits = all(offered.get(task.name) == task for task in config.tasks)
    return config if fits else replace(config, tasks=data.tasks)
