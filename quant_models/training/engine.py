# SPDX-License-Identifier: Apache-2.0
"""Runs a stage of training: steps, schedule, validation, journal, and a state that survives interruption."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from peritus.errors import PeritusError
from quant_models.data.dataset import Dataset
from quant_models.network.config import ConfigError
from quant_models.training.batches import Batch, check_data, step_seed, training_batch
from quant_models.training.config import TrainingConfig
from quant_models.training.journal import Journal, plot
from quant_models.training.scores import score
from quant_models.training.stage import Stage
from quant_models.training.state import load_state, save_state

STOP = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class NonFiniteLossError(PeritusError):
    """The loss or its gradient became NaN or infinite; names the step and the terms."""


class Interrupted(PeritusError):
    """The run was asked to stop (Ctrl-C, SIGTERM, SIGHUP); its state is saved. Says how to go on."""


@dataclass(frozen=True)
class Machine:
    """Where and how to compute; none of it defines the run.

    device: "cpu" or "cuda". bf16: autocast to bfloat16, which pays where matrix units have it. save_every,
    validate_every: steps. log_every: steps per journal line.

    Raises:
        ConfigError: no such device here.
    """

    device: str = "cpu"
    bf16: bool = False
    save_every: int = 100
    validate_every: int = 250
    log_every: int = 10

    def __post_init__(self) -> None:
        if self.device not in ("cpu", "cuda"):
            raise ConfigError(f"device {self.device!r}, must be cpu or cuda")
        if self.device == "cuda" and not torch.cuda.is_available():
            raise ConfigError("device cuda: PyTorch finds no such device here")


def train(
    stage: Stage,
    training: TrainingConfig,
    data: Dataset,
    validation: Dataset,
    folder: Path,
    machine: Machine | None = None,
    console: Console | None = None,
) -> dict[str, float]:
    """Train from the state in `folder`, or from the start, to the last step.

    Returns the last scores, of a run that was done already none.

    The folder is the caller's alone (`lock.locked`).

    Raises:
        NonFiniteLossError, Interrupted: the state of the last save, or of the last step, is in the folder.
        StateError: the folder holds another run, or a damaged one. DataError: the data lack a task.
    """
    machine = machine or Machine()
    for checked in (data, validation):
        check_data(checked, stage.config)
    folder.mkdir(parents=True, exist_ok=True)
    net = stage.module.to(machine.device)
    optimizer = torch.optim.AdamW(stage.groups(), lr=training.learning_rate, fused=True)
    identity = {
        **training.record(),
        "origin": stage.origin,
        "model": asdict(stage.config),
        "data": f"{data.name}, {len(data)} images, {data.fingerprint}",
    }
    step = load_state(folder, identity, net, optimizer)
    scores: dict[str, float] = {}

    def save() -> None:
        save_state(folder, step, identity, net, optimizer)

    with _stop_requested() as stop, _progress(console) as progress:
        journal = Journal(folder, step, progress.console.print)
        bar = progress.add_task(training.stage, total=training.steps, completed=step, note="")
        began, since = time.monotonic(), step
        while step < training.steps:
            net.train()
            torch.manual_seed(step_seed(training.seed, step))
            batch = _to(training_batch(data, step, training.batch, training.seed), machine.device)
            rate = training.rate(step)
            for group in optimizer.param_groups:
                group["lr"] = rate * group["rate"]
            with torch.autocast(machine.device, torch.bfloat16, enabled=machine.bf16):
                loss = stage.loss(batch)
            parts = {name: float(value.detach()) for name, value in loss.parts.items()}
            advice = f"lower the learning rate ({training.learning_rate:g}); {folder} keeps the last state"
            if not bool(torch.isfinite(loss.total)):
                raise NonFiniteLossError(
                    f"loss is {float(loss.total.detach())} at step {step}: {parts}; {advice}"
                )
            optimizer.zero_grad()
            torch.autograd.backward(loss.total)
            norm = torch.nn.utils.clip_grad_norm_(net.parameters(), training.clip_norm)
            if not bool(torch.isfinite(norm)):  # one step with it, and every weight is lost
                raise NonFiniteLossError(f"gradient is {float(norm)} at step {step}: {parts}; {advice}")
            optimizer.step()
            step += 1
            if step % machine.log_every == 0 or step == training.steps:
                speed = (step - since) * training.batch / max(time.monotonic() - began, 1e-9)
                journal.write(
                    step,
                    loss=float(loss.total.detach()),
                    **parts,
                    gradient=float(norm),
                    rate=rate,
                    images_per_s=speed,
                )
            progress.update(bar, completed=step, note="  ".join(f"{k} {v:.3f}" for k, v in parts.items()))
            if step % machine.validate_every == 0 or step == training.steps:
                net.eval()
                scores = score(stage.outputs, stage.config, validation, machine.device)
                journal.write(step, **{f"validation_{key}": value for key, value in scores.items()})
                progress.console.print(
                    f"step {step}: " + "  ".join(f"{k} {v:.4f}" for k, v in scores.items())
                )
                plot(folder)
            if step % machine.save_every == 0 or step == training.steps or stop:
                save()
            if stop:
                raise Interrupted(
                    f"stopped at step {step} of {training.steps}; run the same command to go on ({folder})"
                )
    net.eval()
    return scores


def _to(batch: Batch, device: str) -> Batch:
    return Batch(batch.images.to(device), {name: target.to(device) for name, target in batch.targets.items()})


def _progress(console: Console | None) -> Progress:
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}", markup=False),
        console=console,
    )


@contextlib.contextmanager
def _stop_requested() -> Iterator[list[int]]:
    """A list that is no longer empty once one of STOP has come; a second signal acts at once."""
    received: list[int] = []

    def remember(number: int, frame: FrameType | None) -> None:
        received.append(number)
        signal.signal(number, previous[signal.Signals(number)])

    # One that is ignored, as SIGHUP under nohup, stays so.
    handlers = {number: signal.getsignal(number) for number in STOP}
    previous = {number: handler for number, handler in handlers.items() if handler != signal.SIG_IGN}
    try:
        for number in previous:
            signal.signal(number, remember)
    except ValueError:  # not in the main thread: whoever runs it stops it
        yield received
        return
    try:
        yield received
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
