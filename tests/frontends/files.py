# SPDX-License-Identifier: Apache-2.0
"""QONNX files for the coverage-guided fuzzer."""

from __future__ import annotations

from collections.abc import Iterator

from peritus.frontends.onnx_graph import OnnxGraph
from peritus.frontends.qonnx import lower_graph
from peritus.frontends.qonnx_file import load_onnx
from tests.frontends.mutations import exported_network
from tests.schema.temporary import file_of


def seeds() -> Iterator[bytes]:
    yield exported_network()
    yield exported_network("task_conditioned")


def parse(data: bytes) -> None:
    """Lower to the integer graph."""
    with file_of(data, ".onnx") as path:
        model = load_onnx(path)
    lower_graph(OnnxGraph(model))
