# SPDX-License-Identifier: Apache-2.0
"""What calibration sees: the activations of a float M³ViT on calibration images, by forward hooks."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import torch
from torch import Tensor, nn

from quant_models.config import ConfigError
from quant_models.layers import Attention, Mlp
from quant_models.model import Block, M3ViT
from quant_models.moe import ExpertLinear, Gate, MoeMlp

# An expert that calibration routes fewer tokens to than this is observed on all tokens instead.
MIN_EXPERT_TOKENS = 32


class Observer:
    """Inputs and outputs of every linear layer and norm of a network, over all images and tasks.

    `inputs[name]` and `outputs[name]` are (images, tokens, channels), `name` being the module's state-dict
    path. `residual_max` is max |x| of the residual stream and of what the blocks add to it.

    Args:
        images: (B, C, H, W) float, pixels k/256.
    """

    def __init__(self, net: M3ViT, images: Tensor) -> None:
        if images.ndim != 4 or images.shape[0] < 1:
            raise ConfigError(
                f"calibration images have shape {tuple(images.shape)}, expected (images, C, H, W)"
            )
        self.net = net
        self._inputs: dict[str, list[Tensor]] = defaultdict(list)
        self._outputs: dict[str, list[Tensor]] = defaultdict(list)
        self._expert_inputs: dict[tuple[str, int], list[Tensor]] = defaultdict(list)
        self.residual_max = 0.0
        self._run(images)
        self.inputs = {name: torch.cat(parts) for name, parts in self._inputs.items()}
        self.outputs = {name: torch.cat(parts) for name, parts in self._outputs.items()}

    def expert_input(self, name: str, expert: int) -> Tensor:
        """Samples (tokens, channels) that entered one expert's layer `name`; may be empty."""
        parts = self._expert_inputs.get((name, expert), [])
        return torch.cat(parts) if parts else torch.empty(0)

    @torch.no_grad()
    def _run(self, images: Tensor) -> None:
        training = self.net.training
        self.net.eval()
        hooks = [module.register_forward_hook(self._hook(name)) for name, module in self.net.named_modules()]
        try:
            for task in self.net.config.task_names:
                for image in images:
                    self.net(image[None], task)
        finally:
            for hook in hooks:
                hook.remove()
            self.net.train(training)

    def _residual(self, *values: Tensor) -> None:
        self.residual_max = max(self.residual_max, *(float(v.abs().max()) for v in values))

    def _hook(self, name: str) -> Any:
        def record(module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
            if isinstance(module, ExpertLinear):
                self._expert_inputs[name, args[1]].append(args[0])
            elif isinstance(module, nn.Linear | nn.LayerNorm | Gate) and args[0].ndim >= 2:
                self._inputs[name].append(args[0])
                self._outputs[name].append(output)
            if isinstance(module, Block):
                self._residual(args[0], output)
            elif isinstance(module, Attention | Mlp | MoeMlp):
                self._residual(output)

        return record
