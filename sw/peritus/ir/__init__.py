# SPDX-License-Identifier: Apache-2.0
"""The integer graph: what a quantized model is, after all scales have become multipliers and shifts."""

from peritus.ir.execute import Execution, execute, real_map
from peritus.ir.graph import Graph
from peritus.ir.model_file import ModelFileError, QuantModel
from peritus.ir.ops import (
    Add,
    Affine,
    Attention,
    Expert,
    Experts,
    Head,
    LayerNorm,
    Linear,
    Node,
    PatchEmbed,
    Requant,
    Router,
    affines,
)
from peritus.ir.requant import ScaleError, affine_norm, requant
from peritus.ir.task import Task, UnknownTaskError
from peritus.ir.types import IMAGE, GraphError, Kind, TensorType

__all__ = [
    "IMAGE",
    "Add",
    "Affine",
    "Attention",
    "Execution",
    "Expert",
    "Experts",
    "Graph",
    "GraphError",
    "Head",
    "Kind",
    "LayerNorm",
    "Linear",
    "ModelFileError",
    "Node",
    "PatchEmbed",
    "QuantModel",
    "Requant",
    "Router",
    "ScaleError",
    "Task",
    "TensorType",
    "UnknownTaskError",
    "affine_norm",
    "affines",
    "execute",
    "real_map",
    "requant",
]
