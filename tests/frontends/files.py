# SPDX-License-Identifier: Apache-2.0
"""QONNX files for the coverage-guided fuzzer."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from peritus.frontends.onnx_graph import OnnxGraph
from peritus.frontends.qonnx import lower_graph
from peritus.frontends.qonnx_file import load_onnx
from tests.frontends.mutations import exported_network


def seeds() -> Iterator[bytes]:
    yield exported_network()
    yield exported_network("task_conditioned")


def repaired(data: bytes) -> bytes:
    return data


def parse(data: bytes) -> None:
    """Lower to the integer graph."""
    with tempfile.NamedTemporaryFile(suffix=".onnx") as file:
        file.write(data)
        file.flush()
        model = load_onnx(Path(file.name))
    lower_graph(OnnxGraph(model))
