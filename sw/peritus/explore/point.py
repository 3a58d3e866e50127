# SPDX-License-Identifier: Apache-2.0
"""One point of a sweep: compile, predict, estimate."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from peritus.arch.config import parse_config
from peritus.compiler import compile_model
from peritus.cycles import even_routing, predict
from peritus.errors import PeritusError
from peritus.explore.area import area_of
from peritus.explore.space import Point
from peritus.ir import QuantModel


@lru_cache(maxsize=4)
def _model(path: str) -> QuantModel:
    return QuantModel.load(path)


def evaluate(point: Point) -> dict[str, Any]:
    """The record of a point: what it costs, or `failed` with the reason. Experts are loaded evenly.

    cycles, milliseconds: a frame on an idle device. busy: share of them in which the array takes a token.
    dsp, uram, bram: peritus.explore.area. ddr_bytes: read and written for the frame.
    """
    record: dict[str, Any] = {"key": point.key, "point": point.name, "model": point.model, "task": point.task}
    record |= dict(point.changes)
    try:
        hw = parse_config("explored", point.table())
        bundle = compile_model(_model(point.model), hw)
        task = bundle.tasks[bundle.task_index(point.task) if point.task else 0]
        prediction = predict(bundle, task.name, even_routing(bundle, task.name))
    except PeritusError as error:
        return {**record, "failed": f"{type(error).__name__}: {error}"}
    area = area_of(hw)
    busy = sum(n for cause, n in prediction.timeline.causes().items() if cause.name == "ARRAY")
    return {
        **record,
        "task": task.name,
        "cycles": prediction.cycles,
        "milliseconds": prediction.cycles / hw.clock_mhz / 1e3,
        "busy": busy / prediction.cycles,
        "dsp": area.dsp,
        "uram": area.uram,
        "bram": area.bram,
        "ddr_bytes": prediction.weight_bytes + bundle.frame.bytes + task.output_bytes,
    }
