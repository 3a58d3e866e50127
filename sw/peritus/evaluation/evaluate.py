# SPDX-License-Identifier: Apache-2.0
"""A model over a data set, by the bit-exact integer executor or on a device: what the accelerator scores."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from peritus.bundle import Bundle
from peritus.errors import PeritusError
from peritus.evaluation.metrics import Metric, new_metric, scores_of
from peritus.evaluation.workers import default_workers, in_order
from peritus.ir import QuantModel, Router, Task, execute, real_map
from peritus.reference import Routing
from peritus.runtime import Device, open_device
from peritus.runtime.device import resize_bilinear

Array = npt.NDArray[Any]
Sample = tuple[npt.NDArray[np.uint8], Mapping[str, Array]]


class EvaluationError(PeritusError):
    """Images and targets that do not fit the model; names the image and the task."""


@dataclass(frozen=True, eq=False)
class Frame:
    """What one task of one image did inside, for comparison with the float network.

    image: its position in the data set. features: float32 [tokens, d], the residual stream in real units.
    routing: by name of the router, int64 [tokens, top_k], the chosen experts, best first.
    """

    image: int
    task: str
    features: npt.NDArray[np.float32]
    routing: dict[str, npt.NDArray[np.int64]]


@dataclass(frozen=True, eq=False)
class OnDevice:
    """Where frames run in place of the executor: a device of the table, of each worker its own.

    bundle: of the model, for the hardware of the device.
    """

    device: str
    bundle: Bundle


@dataclass
class Evaluation:
    """Metrics by task, over `images` images."""

    images: int = 0
    metrics: dict[str, Metric] = field(default_factory=dict)

    def record(self) -> dict[str, float]:
        """As `peritus.evaluation.metrics.scores_of`."""
        return scores_of(self.metrics)


def evaluate(
    model: QuantModel,
    images: Iterable[npt.NDArray[np.uint8]],
    targets: Iterable[Mapping[str, Array]],
    tasks: Sequence[str] | None = None,
    *,
    workers: int | None = None,
    observe: Callable[[Frame], None] | None = None,
    progress: Callable[[int], None] | None = None,
    on: OnDevice | None = None,
) -> Evaluation:
    """Score a model on images with known labels.

    Args:
        images: uint8 [height, width, 3] each, the model's size. Read as they are needed, like targets.
        targets: per image, by task: class indices [h, w] (255: ignored), metres [h, w] (0: unknown), or the
            class [1, 1] of a classification. Maps are resized bilinearly to their size, as for display; a
            depth map's LSB is in metres.
        tasks: names, default all of the model.
        workers: processes, default one per core; the result does not depend on it. More than one need an
            importable main module (`if __name__ == "__main__":`).
        observe: called with every Frame, in order.
        progress: called with the number of images done.
        on: run on a device instead, inside of which nothing can be observed. The scores are the same.

    Raises:
        UnknownTaskError, ImageError, MetricError. EvaluationError: another number of images than of targets,
        or a task without target. WorkerError: a worker process died.
    """
    names = [task.name for task in model.graph.tasks] if tasks is None else list(tasks)
    for name in names:
        model.graph.task_index(name)
    result = Evaluation(metrics={name: _metric(model, name) for name in names})
    jobs = enumerate(_pairs(images, targets))
    if on is not None and observe is not None:
        raise EvaluationError(f"what goes on inside the device {on.device} cannot be observed")
    answers = in_order(
        partial(_score, names, observe is not None), jobs, workers or default_workers(), _prepare, (model, on)
    )
    try:
        for found, frames in answers:
            for name, metric in found.items():
                result.metrics[name].merge(metric)  # type: ignore[arg-type]  # one task, one kind
            for frame in frames:
                assert observe is not None
                observe(frame)
            result.images += 1
            if progress is not None:
                progress(result.images)
    finally:
        _release()
    return result


def _pairs(
    images: Iterable[npt.NDArray[np.uint8]], targets: Iterable[Mapping[str, Array]]
) -> Iterable[Sample]:
    try:
        yield from zip(images, targets, strict=True)
    except ValueError as error:
        raise EvaluationError(f"another number of images than of targets: {error}") from error


def _metric(model: QuantModel, name: str) -> Metric:
    task = model.graph.tasks[model.graph.task_index(name)]
    return new_metric(task.kind, task.channels)


_held: list[tuple[QuantModel, Device | None]] = []  # what this process works with


def _prepare(model: QuantModel, on: OnDevice | None) -> None:
    device = None
    if on is not None:
        device = open_device(on.device, on.bundle.hw)
        device.load(on.bundle)
    _held[:] = [(model, device)]


def _release() -> None:
    """What this process holds, where it was its own worker."""
    for _, device in _held:
        if device is not None:
            device.close()
    _held.clear()


def _score(
    tasks: list[str], observed: bool, job: tuple[int, Sample]
) -> tuple[dict[str, Metric], list[Frame]]:
    """Metrics of one image, by task."""
    ((model, device),) = _held
    index, (image, targets) = job
    graph, tail = model.graph, model.tail.open() if model.tail else None
    found: dict[str, Metric] = {}
    frames = []
    for name in tasks:
        if name not in targets:
            raise EvaluationError(f"image {index} has no target for task {name!r}, only {', '.join(targets)}")
        task = graph.tasks[graph.task_index(name)]
        found[name] = _metric(model, name)
        if device is not None:
            values = device.run(image, task=name).dequantized()
            found[name].update(_prediction(task, values, *targets[name].shape), targets[name])
            continue
        result = execute(graph, image, name, keep_values=observed)
        values = real_map(graph, name, result, tail)
        found[name].update(_prediction(task, values, *targets[name].shape), targets[name])
        if observed:
            features = result.features.astype(np.float32) * np.float32(graph.residual_scale)
            routers = (node.name for node in graph.nodes if isinstance(node, Router))
            routing = {
                router: value.experts
                for router in routers
                if isinstance(value := result.values.get(router), Routing)
            }
            frames.append(Frame(index, name, features, routing))
    return found, frames


def _prediction(task: Task, values: npt.NDArray[np.float32], height: int, width: int) -> Array:
    """Classes or metres, [height, width]; of a classification its logits, [1, 1, classes]."""
    if task.kind == "classification":
        return values
    full = resize_bilinear(values, height, width)
    return full[:, :, 0] if task.kind == "depth" else full.argmax(axis=2)
