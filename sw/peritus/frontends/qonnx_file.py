# SPDX-License-Identifier: Apache-2.0
"""Reads a QONNX export from a file."""

from __future__ import annotations

from pathlib import Path

import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from peritus.frontends.qonnx import lower
from peritus.ir import ModelFileError, QuantModel


def read_qonnx(path: Path) -> QuantModel:
    """The integer model of a .onnx file.

    Raises:
        ModelFileError: no such file, or no ONNX. UnsupportedLayerError, GraphError: names the node.
    """
    if not path.is_file():
        raise ModelFileError(f"model file {path} does not exist")
    try:
        model = onnx.load(path)
    except DecodeError as error:
        raise ModelFileError(f"model file {path} is truncated or corrupted: {error}") from error
    return QuantModel(model.graph.name or path.stem, lower(model), f"imported from {path.name}")
