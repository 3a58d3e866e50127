# SPDX-License-Identifier: Apache-2.0
"""Import of published checkpoints: M³ViT state dicts, and Edge-MoE's folders of raw tensors."""

from quant_models.checkpoints.errors import ArchitectureError, CheckpointError, MissingTensorsError
from quant_models.checkpoints.imported import Imported
from quant_models.checkpoints.load import load_checkpoint
from quant_models.checkpoints.variant import PLAIN, Hints

__all__ = [
    "PLAIN",
    "ArchitectureError",
    "CheckpointError",
    "Hints",
    "Imported",
    "MissingTensorsError",
    "load_checkpoint",
]
