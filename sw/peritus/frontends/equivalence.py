# SPDX-License-Identifier: Apache-2.0
"""Does the integer graph compute what the file says? Both are run on one picture, and compared.

The file runs in QONNX's own executor, which shares no line with the rules that lowered it. Every integer node
is given what QONNX computed as its inputs, and its output is compared with QONNX's: errors do not add up,
and a node that was misread is found by its name. Then the whole graph runs by itself, and its outputs are
compared.

QONNX rounds half to even in float32 and divides, the accelerator rounds half up with 16-bit factors and has
tables: so they agree to a bound. By itself, a token near a tie of a router may take another expert.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import ModelProto, TensorProto, helper

from peritus.frontends.errors import UnsupportedLayerError
from peritus.frontends.onnx_graph import OnnxGraph
from peritus.frontends.qonnx import Lowering
from peritus.ir.execute import execute
from peritus.ir.graph import Graph
from peritus.ir.ops import Node, Router
from peritus.ir.types import IMAGE, Kind, Value

NODE_BOUND_DB = 37.0
OUTPUT_BOUND_DB = 25.0
ROUTED_BOUND_DB = 10.0  # of outputs behind a router: a token that takes another expert counts as noise here
EXACT_DB = 200.0
QUIET_STEPS = 16.0  # a node's values count as at least so loud: one step more or less is no misreading

Floats = npt.NDArray[np.float64]
Tensors = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Agreement:
    """SNR in dB of an output or a node against QONNX's executor, for one task, and the least accepted."""

    task: str
    what: str
    snr_db: float
    bound_db: float


def compare(model: ModelProto, g: OnnxGraph, lowered: Lowering) -> list[Agreement]:
    """The map and the features of every task, and the node that agrees least, on pixels of the full range.

    Args:
        model: the file, as it is. g: the same, read. lowered: what became of it.
    Raises:
        UnsupportedLayerError: QONNX's executor cannot run the file, or something falls short of its bound.
    """
    graph = lowered.graph
    picture = full_range_picture(*graph.types[IMAGE].shape)
    pixels = picture.transpose(2, 0, 1)[None].astype(np.float32) * np.float32(lowered.pixel_scale)
    executable = _with_shapes(model, g)
    routed = any(isinstance(node, Router) for node in graph.nodes)
    bound = ROUTED_BOUND_DB if routed else OUTPUT_BOUND_DB
    rows: list[Agreement] = []
    found: Tensors = {}
    for index, (task, output) in enumerate(zip(graph.tasks, lowered.maps, strict=True)):
        inputs = {name: np.full(g.shape(name), index, np.int64) for name in g.inputs[1:]}
        if routed or not found:  # without routers, all tasks are computed alike
            found = _execute(executable, {g.inputs[0]: pixels, **inputs})
        nodes = _nodes(lowered, found, picture, index)
        name, snr = min(nodes.items(), key=lambda item: item[1])
        result = execute(graph, picture, task.name)
        features = found[lowered.features][0]
        rows.append(Agreement(task.name, f"node {name}", snr, NODE_BOUND_DB))
        if result.output is not None:
            logits = found[output.output][0].transpose(1, 2, 0)
            rows.append(Agreement(task.name, "map", _snr(logits, result.output * task.scale), bound))
        agreed = _snr(features, result.features * graph.residual_scale)
        rows.append(Agreement(task.name, "features", agreed, bound))
    for row in rows:
        if not row.snr_db >= row.bound_db:
            raise UnsupportedLayerError(
                f"{row.what}, task {row.task!r}: the integer graph agrees with QONNX's own execution of the "
                f"file to {row.snr_db:.1f} dB, at least {row.bound_db:g} dB are needed. The file means "
                "something that was not understood, or its values leave the range of their grids"
            )
    return rows


def full_range_picture(height: int, width: int, channels: int = 3) -> npt.NDArray[np.uint8]:
    """A picture with smooth and rough parts, from 0 to 255; uint8 (height, width, channels), always the
    same."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j][..., None]
    phase, slope = rng.uniform(0, 2 * np.pi, channels), rng.uniform(1, 9, (2, channels))
    waves = np.sin(2 * np.pi * (slope[0] * y + slope[1] * x) + phase) + np.where(y > x, 1.0, -1.0) * (y - x)
    rough = waves + 0.2 * rng.standard_normal(waves.shape)
    low, high = rough.min(axis=(0, 1)), rough.max(axis=(0, 1))
    levels: npt.NDArray[np.uint8] = np.rint((rough - low) / (high - low) * 255).astype(np.uint8)
    return levels


def _nodes(lowered: Lowering, found: Tensors, picture: npt.NDArray[np.uint8], task: int) -> dict[str, float]:
    """SNR of every node that this task executes, its inputs being QONNX's values."""
    graph = lowered.graph
    tensors = {name: tensor for tensor, name in lowered.values.items()}
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
        expected, rows = _as_integers(graph, node, found[tensors[node.name]], scale)
        values[node.name] = expected
        assert isinstance(result, np.ndarray)
        snr[node.name] = _snr(expected[rows:], result[rows:], QUIET_STEPS)
    return snr


def _as_integers(
    graph: Graph, node: Node, tensor: npt.NDArray[Any], scale: float
) -> tuple[npt.NDArray[np.int64], int]:
    """A tensor of the file as the integer graph holds it, and how many leading rows the file lacks."""
    kind, shape = graph.types[node.name].kind, graph.types[node.name].shape
    if kind is Kind.MAP:
        tensor = tensor.transpose(0, 2, 3, 1)  # channels last
    elif tensor.ndim == 4:
        tensor = tensor.transpose(0, 2, 1, 3)  # heads beside each other
    steps = np.rint(tensor.astype(np.float64) / scale).astype(np.int64)
    if kind is Kind.MAP:
        return steps.reshape(shape), 0
    rows = steps.reshape(-1, shape[-1])
    missing = shape[0] - len(
        rows
    )  # heads do not read the class token, and the file cuts it off before the norm
    return np.pad(rows, ((missing, 0), (0, 0))), missing


def _with_shapes(model: ModelProto, g: OnnxGraph) -> ModelProto:
    """A copy of the file whose inputs and outputs have the shapes of one image: QONNX's executor wants it."""
    copied = ModelProto()
    copied.CopyFrom(model)
    del copied.graph.value_info[:]
    for info in (*copied.graph.input, *copied.graph.output):
        if info.name in g.shapes:
            shaped = helper.make_tensor_value_info(info.name, TensorProto.FLOAT, g.shapes[info.name])
            info.type.tensor_type.shape.CopyFrom(shaped.type.tensor_type.shape)
    return copied


def _execute(model: ModelProto, inputs: Tensors) -> dict[str, npt.NDArray[Any]]:
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.core.onnx_exec import execute_onnx
    from qonnx.transformation.infer_shapes import InferShapes

    try:
        with np.errstate(all="ignore"):
            wrapped = ModelWrapper(model).transform(InferShapes())
            result: dict[str, Any] = execute_onnx(wrapped, dict(inputs), return_full_exec_context=True)
    except Exception as error:  # whatever the executor and its operators say
        raise UnsupportedLayerError(
            f"QONNX's own executor cannot run the file: {type(error).__name__}: {str(error).strip()[:300]}"
        ) from error
    return result


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
