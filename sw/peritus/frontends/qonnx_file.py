# SPDX-License-Identifier: Apache-2.0
"""Reads a QONNX export from a file: lowered, and compared with what QONNX itself makes of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from peritus.frontends.equivalence import Agreement, compare
from peritus.frontends.errors import UnsupportedLayerError
from peritus.frontends.onnx_graph import OnnxGraph
from peritus.frontends.qonnx import lower_graph
from peritus.frontends.report import Lowered, report
from peritus.ir import ModelFileError, QuantModel
from peritus.schema import file_fault


@dataclass(frozen=True)
class ImportedModel:
    """A model and its papers. agreement: with QONNX's own execution. nodes: what every node became."""

    model: QuantModel
    agreement: list[Agreement]
    nodes: list[Lowered]


def load_onnx(path: Path) -> onnx.ModelProto:
    """The contents of a .onnx file; ModelFileError: no such file, or no ONNX."""
    if fault := file_fault(path):
        raise ModelFileError(f"model file {path} {fault}")
    try:
        return onnx.load(path)
    except (DecodeError, OSError, ValueError, onnx.checker.ValidationError) as error:
        raise ModelFileError(f"model file {path} is truncated or corrupted: {error}") from error


def read_qonnx(path: Path) -> ImportedModel:
    """The integer model of a .onnx file.

    Raises:
        ModelFileError: no such file, or no ONNX.
        UnsupportedLayerError: something in the file is not understood, or QONNX's own execution of it
        disagrees with what it was lowered to; names the node.
        GraphError: a rule of the integer graph is broken.
    """
    model = load_onnx(path)
    g = OnnxGraph(model)
    lowered = lower_graph(g)
    if hosted := [task.name for task in lowered.graph.tasks if task.host]:
        raise UnsupportedLayerError(
            f"tasks {', '.join(hosted)} are computed on the host by a part that this export does not hold: "
            "compile the .safetensors that it was quantized to"
        )
    agreement = compare(g, lowered)
    quantized = QuantModel(model.graph.name or path.stem, lowered.graph, f"imported from {path.name}")
    return ImportedModel(quantized, agreement, report(model, g, lowered.values))
