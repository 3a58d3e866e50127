# SPDX-License-Identifier: Apache-2.0
"""Generated street scenes with exact labels and depth: `generate(seed)`, and `SceneDataset` on disk."""

from quant_models.data.scenes.dataset import SPLITS, SceneDataset
from quant_models.data.scenes.frame import MAX_DEPTH
from quant_models.data.scenes.scene import VERSION, generate

__all__ = ["MAX_DEPTH", "SPLITS", "VERSION", "SceneDataset", "generate"]
