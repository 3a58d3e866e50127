# SPDX-License-Identifier: Apache-2.0
"""What a file that cannot be lowered is refused with."""

from __future__ import annotations

from onnx import NodeProto

from peritus.errors import PeritusError


class UnsupportedLayerError(PeritusError):
    """Something that cannot be lowered; the message names the node and what was expected."""


def label(node: NodeProto) -> str:
    """The node's name; of one without a name, what it computes."""
    return str(node.name) or f"computing {', '.join(node.output)}"


def unsupported(node: NodeProto, message: str) -> UnsupportedLayerError:
    """The error to raise for a node."""
    return UnsupportedLayerError(f"node {label(node)!r} ({node.op_type}): {message}")
