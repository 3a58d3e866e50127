# SPDX-License-Identifier: Apache-2.0
"""Does the integer graph compute what the file says? Both are run on one picture, and compared.

The file runs in QONNX's own executor, which shares no line with the rules that lowered it. Every integer node
is given what QONNX computed as its inputs, and its output is compared with QONNX's: errors do not add up,
and a node that was misread is found by its name. Then the whole graph runs by itself, and its outputs are
compared. Where a stock network is float or rounds more coarsely, the accelerator's rounding is put into the
file for this (`execution.Roundings`); what that changes is measured at the outputs.

QONNX rounds half to even in float32 and divides, the accelerator rounds half up with 16-bit factors and has
tables: so they agree to a bound. By itself, a token near a tie of a router may take another expert.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from peritus.frontends.errors import UnsupportedLayerError
from peritus.frontends.execution import Execution, Tensors
from peritus.frontends.onnx_graph import OnnxGraph
from peritus.frontends.qonnx import Lowering
from peritus.ir.execute import execute
from peritus.ir.ops import Linear, Router
from peritus.ir.types import IMAGE, Value

NODE_BOUND_DB = 37.0
OUTPUT_BOUND_DB = 25.0
ROUTED_BOUND_DB = 10.0  # of outputs behind a router: a token that takes another expert counts as noise here
FILE_BOUND_DB = 10.0  # where the file rounds more coarsely than the accelerator, its own noise counts
EXACT_DB = 200.0
QUIET_STEPS = 16.0  # a node's values count as at least so loud: one step more or less is no misreading

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Agreement:
    """SNR in dB of an output or a node against QONNX's executor, for one task, and the least accepted."""

    task: str
    what: str
    snr_db: float
    bound_db: float


def compare(g: OnnxGraph, lowered: Lowering) -> list[Agreement]:
    """The map and the features of every task, and the node that agrees least, on pixels of the full range.

    The file runs with the accelerator's roundings in the place of its own, where they differ; then maps and
    features are also compared with the file as it is.

    Args:
        g: the file. lowered: what became of it.
    Raises:
        UnsupportedLayerError: QONNX's executor cannot run the file, or something falls short of its bound.
    """
    graph = lowered.graph
    as_is = Execution(g, lowered.pixel_scale)
    rounded = Execution(g, lowered.pixel_scale, lowered.roundings) if lowered.roundings else as_is
    routed = any(isinstance(node, Router) for node in graph.nodes)
    bound = ROUTED_BOUND_DB if routed else OUTPUT_BOUND_DB
    rows: list[Agreement] = []
    file: Tensors = {}
    for index, task in enumerate(graph.tasks):
        if routed or not file:  # without routers, all tasks are computed alike
            file = as_is.run(index)
            found = rounded.run(index) if rounded is not as_is else file
        nodes = _nodes(lowered, found, as_is.picture, index)
        name, snr = min(nodes.items(), key=lambda item: item[1])
        rows.append(Agreement(task.name, f"node {name}", snr, NODE_BOUND_DB))
        result = execute(graph, as_is.picture, task.name)
        compared = [("features", graph.features, result.features, graph.residual_scale)]
        if result.output is not None:
            compared.insert(0, ("map", graph.head(task.name).name, result.output, task.scale))
        for what, value, steps, scale in compared:
            real = steps.ravel() * scale
            rows.append(Agreement(task.name, what, _snr(_in_file(lowered, value, found)[0], real), bound))
            if rounded is not as_is:
                same = _snr(_in_file(lowered, value, file)[0], real)
                rows.append(Agreement(task.name, f"{what}, rounded as in the file", same, FILE_BOUND_DB))
    for row in rows:
        if not row.snr_db >= row.bound_db:
            raise UnsupportedLayerError(
                f"{row.what}, task {row.task!r}: the integer graph agrees with QONNX's own execution of the "
                f"file to {row.snr_db:.1f} dB, at least {row.bound_db:g} dB are needed. The file means "
                "something that was not understood, or its values leave the range of their grids"
            )
    return rows


def _nodes(lowered: Lowering, found: Tensors, picture: npt.NDArray[np.uint8], task: int) -> dict[str, float]:
    """SNR of every node that this task executes, its inputs being QONNX's values."""
    graph = lowered.graph
    values: dict[str, Value] = {IMAGE: picture.astype(np.int64)}
    needed = graph.needed(graph.tasks[task].name, features=True)
    snr: dict[str, float] = {}
    for node in graph.nodes:
        if node.name not in needed:
            continue
        result = node.execute(values, task)
        if isinstance(node, Router):
            values[node.name] = result
            continue
        scale = lowered.scales.get(node.name, graph.types[node.name].scale) or graph.residual_scale
        real, there = _in_file(lowered, node.name, found)
        zero_point = node.zero_point if isinstance(node, Linear) else 0
        expected = np.rint(real / scale + zero_point).astype(np.int64)
        values[node.name] = expected.reshape(graph.types[node.name].shape)
        assert isinstance(result, np.ndarray)
        snr[node.name] = _snr(expected[there], result.ravel()[there], QUIET_STEPS)
    return snr


def _in_file(lowered: Lowering, name: str, found: Tensors) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """An integer value as the file computes it, flat, in real units; and which elements the file has.

    Heads do not read all tokens, and a file may cut them off before the norm.
    """
    place = lowered.places[name]
    there = place.index >= 0
    real: Floats = np.where(there, found[place.tensor].astype(np.float64).ravel()[place.index], 0.0)
    return real, there


def _snr(reference: npt.NDArray[Any], found: npt.NDArray[Any], quiet: float = 0.0) -> float:
    """In dB; a reference whose root mean square is below `quiet` counts as if it were that."""
    if reference.shape != found.shape:
        raise UnsupportedLayerError(
            f"QONNX's executor gives {reference.shape}, the integer graph {found.shape}"
        )
    signal = max(float(np.square(reference, dtype=np.float64).mean()), quiet**2)
    noise = float(np.square(reference.astype(np.float64) - found).mean())
    if not math.isfinite(signal + noise):
        return -math.inf
    if noise == 0:
        return EXACT_DB
    return min(EXACT_DB, 10 * math.log10(signal / noise)) if signal > 0 else -math.inf
