# SPDX-License-Identifier: Apache-2.0
"""State dicts in the forms that the public M³ViT code writes, built from networks of ours."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from quant_models.checkpoints import PLAIN, Hints
from quant_models.network.config import M3VIT_TINY, M3ViTConfig
from quant_models.network.model import M3ViT

SAID = Hints(heads=3, top_k=2, pixels="k256", options=(PLAIN,))  # all that tensors leave open
LAYERS = replace(SAID, layers=2)
NAMED = Hints(options=(PLAIN,))  # with a named configuration
TINY = replace(M3VIT_TINY, n_layers=2, n_experts=4)
SMALL = replace(TINY, d_model=384, n_heads=6, mlp_hidden=1536, expert_hidden=768)
# As small as goes: 2 x 4 patches, which shapes alone do not tell.
MINI = replace(
    TINY, image_height=32, image_width=64, d_model=64, n_heads=1, mlp_hidden=64, expert_hidden=32, n_layers=4
)
MINI_HINTS = replace(SAID, layers=4, image=(32, 64), heads=1)


def network(config: M3ViTConfig, seed: int = 7) -> M3ViT:
    """A network in which every tensor differs from its initial value."""
    generator = torch.Generator().manual_seed(seed)
    net = M3ViT(config).eval()
    with torch.no_grad():
        for value in net.parameters():
            value.copy_(torch.randn(value.shape, generator=generator) * 0.1)
    return net


def public_state(net: M3ViT, tasks: tuple[str, ...] = ("semseg", "depth")) -> dict[str, Tensor]:
    """The network's backbone with the decoders of the public code, named as parallel training names them."""
    state = {name: value for name, value in net.state_dict().items() if name.startswith("backbone.")}
    channels = {"semseg": 19, "depth": 1, "normals": 3, "sal": 2}
    for task in tasks:
        state[f"decoders.{task}.norm.weight"] = torch.ones(net.config.d_model)
        state[f"decoders.{task}.norm.bias"] = torch.zeros(net.config.d_model)
        state[f"decoders.{task}.conv_0.weight"] = torch.zeros(8, net.config.d_model, 3, 3)
        state[f"decoders.{task}.syncbn_fc_0.num_batches_tracked"] = torch.tensor(3)
        state[f"decoders.{task}.conv_4.weight"] = torch.zeros(channels[task], 8, 1, 1)
    return {f"module.{name}": value for name, value in state.items()}


def training_file(state: dict[str, Tensor], path: Path) -> Path:
    """What the public training script saves: weights, optimizer, and metrics as NumPy scalars."""
    metrics = {"multi_task_performance": np.float64(-3.5)}
    torch.save({"epoch": 3, "state_dict": state, "best_result": metrics, "optimizer": {"state": {}}}, path)
    return path
