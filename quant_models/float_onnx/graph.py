# SPDX-License-Identifier: Apache-2.0
"""An ONNX file of one image, executed once: constants are the tensors that no pixel reaches."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from onnx import ModelProto, NodeProto, TensorProto, helper

from peritus.onnx_session import OnnxSession, probe
from peritus.schema import file_fault
from quant_models.checkpoints.errors import ArchitectureError, CheckpointError

Array = npt.NDArray[Any]
SHAPE_ONLY = ("Shape", "Size")  # of their input they read no value
QDQ = ("QuantizeLinear", "DequantizeLinear", "QLinearMatMul", "QLinearConv", "MatMulInteger", "ConvInteger")
CONTROL = ("If", "Loop", "Scan", "SequenceMap")
RANDOM = (
    "RandomNormal",
    "RandomUniform",
    "RandomNormalLike",
    "RandomUniformLike",
    "Bernoulli",
    "Multinomial",
)
STANDARD = ("", "ai.onnx")
LARGEST = 4096  # pixels of an image, each way: more patches than any configuration holds tokens


class OnnxError(ArchitectureError):
    """A float ONNX file that is not understood; names the node or tensor, and what was expected."""


def label(node: NodeProto) -> str:
    """How messages name a node."""
    return (
        f"node {node.name!r} ({node.op_type})"
        if node.name
        else f"the {node.op_type} that makes {node.output[0]!r}"
    )


@dataclass(frozen=True)
class FloatGraph:
    """The file with all of its shapes fixed.

    image: name of the input, (1, C, H, W). values: every tensor of one run, on noise. live: tensors that
    depend on a pixel's value; what else there is are constants.
    """

    model: ModelProto
    image: str
    shape: tuple[int, int, int, int]
    values: dict[str, Array] = field(repr=False)
    live: frozenset[str] = field(repr=False)

    @cached_property
    def nodes(self) -> list[NodeProto]:
        """In execution order, those that compute something live."""
        return [node for node in self.model.graph.node if any(name in self.live for name in node.output)]

    @cached_property
    def outputs(self) -> list[str]:
        """Names of the file's outputs."""
        return _names(self.model.graph.output)

    def run(self, pixels: npt.NDArray[np.float32]) -> dict[str, Array]:
        """The outputs by name, of images (n, C, H, W) as the file wants them."""
        session = open_session(self.model)
        rows = [session.run(self.outputs, {self.image: image[None]}) for image in pixels]
        return {name: np.concatenate([row[i] for row in rows]) for i, name in enumerate(self.outputs)}


def load_graph(path: Path, image: tuple[int, int] | None) -> FloatGraph:
    """`as_graph` of a file.

    Raises:
        CheckpointError: no such file, or no ONNX; and as `as_graph`.
    """
    if fault := file_fault(path):
        raise CheckpointError(f"{path} {fault}")
    try:
        model = onnx.load(path)
    except (DecodeError, OSError, ValueError, onnx.checker.ValidationError) as error:
        raise CheckpointError(f"{path} is truncated or no ONNX: {str(error)[:300]}") from error
    return as_graph(model, image)


def as_graph(model: ModelProto, image: tuple[int, int] | None) -> FloatGraph:
    """A model with its shapes fixed to one image; `model` is changed.

    Args:
        image: height and width, where the file leaves them open.
    Raises:
        CheckpointError: ONNX' checker refuses it, or ONNX Runtime cannot run it.
        OnnxError: more than one input, no image, quantized already, control flow, or a constant that is not
        finite.
    """
    try:
        onnx.checker.check_model(model)
    except (ValueError, onnx.checker.ValidationError) as error:
        raise CheckpointError(f"the file is no valid ONNX: {str(error)[:300]}") from error
    _refuse(model)
    try:
        probe(model.SerializeToString())
    except (MemoryError, TimeoutError) as error:
        raise CheckpointError(f"ONNX Runtime cannot open the file: {error}") from None
    name, shape = _fix_input(model, image)
    noise = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    graph = FloatGraph(model, name, shape, _run_all(model, {name: noise}), _live(model, name))
    for node in graph.nodes:
        for constant in node.input:
            if constant and constant not in graph.live and not _finite(graph.values[constant]):
                raise OnnxError(f"{label(node)}: its constant {constant!r} holds values that are not finite")
    return graph


def _finite(values: Array) -> bool:
    return not np.issubdtype(values.dtype, np.floating) or bool(np.isfinite(values).all())


def _refuse(model: ModelProto) -> None:
    """What is never read, by the first node of its kind."""
    for node in model.graph.node:
        if node.op_type in QDQ:
            raise OnnxError(
                f"{label(node)}: the file is quantized for ONNX Runtime already; give its float original "
                "instead"
            )
        if node.domain not in STANDARD:
            raise OnnxError(
                f"{label(node)}: domain {node.domain!r}, expected standard operators: export without fusions "
                "for one runtime"
            )
        if node.op_type in CONTROL or node.op_type in RANDOM:
            raise OnnxError(f"{label(node)}: control flow and random numbers are not read")
    if model.functions:
        raise OnnxError(f"function {model.functions[0].name!r}: inline functions first (onnx.inliner)")


def _fix_input(model: ModelProto, image: tuple[int, int] | None) -> tuple[str, tuple[int, int, int, int]]:
    constants = {tensor.name for tensor in model.graph.initializer}
    inputs = [item for item in model.graph.input if item.name not in constants]
    if len(inputs) != 1:
        raise OnnxError(f"inputs {_names(inputs)}, expected one image")
    (item,) = inputs
    kind = item.type.tensor_type
    dims = [d.dim_value if d.HasField("dim_value") else 0 for d in kind.shape.dim]
    if kind.elem_type != TensorProto.FLOAT or len(dims) != 4:
        raise OnnxError(
            f"input {item.name!r} is {dims} of type {kind.elem_type}, expected float32 (1, C, H, W)"
        )
    if dims[0] not in (0, 1):
        raise OnnxError(f"input {item.name!r} is a batch of {dims[0]}, expected one image, or an open batch")
    height, width = image or (0, 0)
    for axis, given in ((2, height), (3, width)):
        if dims[axis] and given and dims[axis] != given:
            raise OnnxError(f"input {item.name!r} is {dims[2]}x{dims[3]}, --image says {height}x{width}")
        dims[axis] = dims[axis] or given
    if not dims[2] or not dims[3]:
        raise OnnxError(f"input {item.name!r} leaves the image's size open: give --image HxW")
    if max(dims[2:]) > LARGEST:
        raise OnnxError(
            f"input {item.name!r} is {dims[2]}x{dims[3]} pixels, at most {LARGEST} each way are read"
        )
    if dims[1] not in (1, 3):
        raise OnnxError(f"input {item.name!r} has {dims[1]} channels on axis 1, expected 1 or 3")
    shape = (1, dims[1], dims[2], dims[3])
    item.type.CopyFrom(helper.make_tensor_type_proto(TensorProto.FLOAT, shape))
    del model.graph.value_info[:]  # shapes of other batches
    return item.name, shape


def _live(model: ModelProto, image: str) -> frozenset[str]:
    live = {image}
    for node in model.graph.node:
        if node.op_type not in SHAPE_ONLY and any(name in live for name in node.input):
            live.update(name for name in node.output if name)
    return frozenset(live)


def open_session(model: ModelProto) -> OnnxSession:
    """ONNX Runtime, every node as it is written."""
    return OnnxSession(model.SerializeToString(), as_written=True)


def _run_all(model: ModelProto, feed: dict[str, Array]) -> dict[str, Array]:
    """Every tensor of one run."""
    traced = ModelProto()
    traced.CopyFrom(model)
    outputs = _names(model.graph.output)
    names = [name for node in model.graph.node for name in node.output if name and name not in outputs]
    traced.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    try:
        found = dict(zip([*outputs, *names], open_session(traced).run(None, feed), strict=True))
    except Exception as error:  # onnxruntime's own classes, one per cause
        raise CheckpointError(f"ONNX Runtime cannot run the file: {str(error)[:300]}") from error
    found |= {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    return found | feed


def _names(items: Iterable[onnx.ValueInfoProto]) -> list[str]:
    return [item.name for item in items]
