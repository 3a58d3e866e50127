# SPDX-License-Identifier: Apache-2.0
"""One small exported network, as a file's bytes; and what a graph is known by."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from onnx import ModelProto

    from peritus.ir import Graph


@pytest.fixture(scope="session")
def exported() -> Callable[..., bytes]:
    """`exported(gate)`: a QONNX file of two blocks, one with experts, and two tasks; built on first use."""
    pytest.importorskip("torch", reason="exports need the extra 'models'")
    from tests.frontends.mutations import exported_network

    built: dict[str, bytes] = {}

    def export(gate: str = "multi_gate") -> bytes:
        if gate not in built:
            built[gate] = exported_network(gate)
        return built[gate]

    return export


@pytest.fixture
def network(exported: Callable[..., bytes]) -> ModelProto:
    """A copy of the exported network, to be changed."""
    from onnx import ModelProto

    return ModelProto.FromString(exported())


@pytest.fixture(scope="session")
def fingerprint() -> Callable[[Graph], str]:
    """Hash of everything in an integer graph: names, constants, order, tasks."""
    from peritus.ir.model_file import Tensors, _encode, checksum

    def of(graph: Graph) -> str:
        tensors: Tensors = {}
        text: Any = json.dumps(_encode(graph, "", tensors), sort_keys=True)
        return checksum(text, tensors)

    return of
