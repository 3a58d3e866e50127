# SPDX-License-Identifier: Apache-2.0
"""Runs a file in QONNX's own executor, which shares no line with the rules that lower it."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from peritus.frontends.errors import UnsupportedLayerError
from peritus.frontends.onnx_graph import OnnxGraph
from peritus.frontends.operators import QUANT_DOMAINS
from peritus.ir.formats import PROBABILITY_SCALE

Tensors = Mapping[str, npt.NDArray[Any]]


def full_range_picture(height: int, width: int, channels: int = 3) -> npt.NDArray[np.uint8]:
    """A picture with smooth and rough parts, from 0 to 255: uint8 (height, width, channels), always the
    same."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j][..., None]
    phase, slope = rng.uniform(0, 2 * np.pi, channels), rng.uniform(1, 9, (2, channels))
    waves = np.sin(2 * np.pi * (slope[0] * y + slope[1] * x) + phase) + np.where(y > x, 1.0, -1.0) * (y - x)
    rough = waves + 0.2 * rng.standard_normal(waves.shape)
    low, high = rough.min(axis=(0, 1)), rough.max(axis=(0, 1))
    levels: npt.NDArray[np.uint8] = np.rint((rough - low) / (high - low) * 255).astype(np.uint8)
    return levels


@dataclass
class Roundings:
    """Where the accelerator rounds otherwise than the file says, by tensors of the file.

    passed: results of Quant nodes on whose grid it does not round, because its own is finer. fixed: scales of
    its formats of 16 bits, where the file has float or something coarser. softmaxes: results of softmaxes,
    whose numerators have 8 bits below the largest of each row.
    """

    passed: set[str] = field(default_factory=set)
    fixed: dict[str, float] = field(default_factory=dict)
    softmaxes: set[str] = field(default_factory=set)

    def __bool__(self) -> bool:
        return bool(self.passed or self.fixed or self.softmaxes)


class Execution:
    """QONNX's executor, ready to run a file; pixels k are k times pixel_scale in it.

    roundings: as the accelerator rounds; None: the file as it is.
    """

    def __init__(self, g: OnnxGraph, pixel_scale: float, roundings: Roundings | None = None) -> None:
        self.g = g
        _, channels, height, width = g.shape(g.inputs[0])
        self.picture = full_range_picture(height, width, channels)
        self.pixel_scale = np.float32(pixel_scale)
        self.model = _executable(g)
        if roundings:
            _round(self.model, roundings)

    def run(self, task: int, picture: npt.NDArray[np.uint8] | None = None) -> Tensors:
        """Every tensor of the file, for one value of the task input if there is one.

        Args:
            picture: uint8 (H, W, C); None: `full_range_picture`.
        Raises:
            UnsupportedLayerError: QONNX's executor cannot run the file.
        """
        from qonnx.core.modelwrapper import ModelWrapper
        from qonnx.core.onnx_exec import execute_onnx
        from qonnx.transformation.infer_shapes import InferShapes

        g = self.g
        picture = self.picture if picture is None else picture
        pixels = picture.transpose(2, 0, 1)[None].astype(np.float32) * self.pixel_scale
        inputs = {name: np.full(g.shape(name), task, np.int64) for name in g.inputs[1:]}
        try:
            with np.errstate(all="ignore"), warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of batches that the file left open
                wrapped = ModelWrapper(self.model).transform(InferShapes())
                result: dict[str, Any] = execute_onnx(
                    wrapped, {g.inputs[0]: pixels, **inputs}, return_full_exec_context=True
                )
        except Exception as error:  # whatever the executor and its operators say
            raise UnsupportedLayerError(
                f"QONNX's own executor cannot run the file: "
                f"{type(error).__name__}: {str(error).strip()[:300]}"
            ) from error
        return result


def _executable(g: OnnxGraph) -> ModelProto:
    """A copy of the file whose inputs and outputs have the shapes of one image: QONNX's executor wants it."""
    copied = ModelProto()
    copied.CopyFrom(g.model)
    del copied.graph.value_info[:]
    for info in (*copied.graph.input, *copied.graph.output):
        if info.name in g.shapes:
            shaped = helper.make_tensor_value_info(info.name, TensorProto.FLOAT, g.shapes[info.name])
            info.type.tensor_type.shape.CopyFrom(shaped.type.tensor_type.shape)
    return copied


def _round(model: ModelProto, roundings: Roundings) -> None:
    """Put the accelerator's roundings in the place of the file's."""
    made = _Nodes(model)
    for node in model.graph.node:
        result = node.output[0] if node.output else ""
        if result in roundings.softmaxes:
            made.softmax(node)
        elif result in roundings.passed:
            made.add("Identity", [node.input[0]], result)
        else:
            made.nodes.append(node)
        if result in roundings.fixed:
            made.nodes[-1].output[0] = f"{result}/exact"
            made.quant(f"{result}/exact", result, roundings.fixed[result], 16, signed=1)
    kept = [NodeProto.FromString(node.SerializeToString()) for node in made.nodes]
    del model.graph.node[:]
    model.graph.node.extend(kept)


@dataclass
class _Nodes:
    """The nodes of a rewritten graph; constants go into the model."""

    model: ModelProto
    nodes: list[NodeProto] = field(default_factory=list)

    def add(self, op_type: str, inputs: list[str], output: str, domain: str = "", **attributes: Any) -> str:
        self.nodes.append(helper.make_node(op_type, inputs, [output], output, domain=domain, **attributes))
        return output

    def constant(self, name: str, value: npt.NDArray[Any]) -> str:
        self.model.graph.initializer.append(numpy_helper.from_array(value, name))
        return name

    def quant(self, source: str, output: str, scale: float, bits: int, signed: int) -> str:
        values = {"scale": scale, "zero": 0.0, "bits": float(bits)}
        constants = [
            self.constant(f"{output}/{name}", np.array(value, np.float32)) for name, value in values.items()
        ]
        return self.add("Quant", [source, *constants], output, QUANT_DOMAINS[0], signed=signed, narrow=0)

    def softmax(self, node: NodeProto) -> None:
        """Of the last axis: numerators rounded to 8 bits, then divided by their sum."""
        scores, name = str(node.input[0]), str(node.output[0])
        axes = self.constant(f"{name}/axes", np.array([-1]))
        largest = self.add("ReduceMax", [scores, axes], f"{name}/largest", keepdims=1)
        below = self.add("Sub", [scores, largest], f"{name}/below")
        exact = self.add("Exp", [below], f"{name}/exact")
        rounded = self.quant(exact, f"{name}/rounded", PROBABILITY_SCALE, 8, signed=0)
        total = self.add("ReduceSum", [rounded, axes], f"{name}/total", keepdims=1)
        self.add("Div", [rounded, total], name)
