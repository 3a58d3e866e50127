# SPDX-License-Identifier: Apache-2.0
"""The float M³ViT. State-dict keys follow the public M³ViT code (`backbone.*`, `decoders.<task>.*`)."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from peritus.tail import HostTail
from quant_models.network.config import ConfigError, M3ViTConfig
from quant_models.network.layers import Attention, Decoder, Mlp, PatchEmbed, normalize_pixels
from quant_models.network.moe import MoeMlp, TaskRepresentation


class Block(nn.Module):
    """Pre-norm block, (B, N, d) -> (B, N, d): x += attn(norm1 x); x += mlp(norm2 x)."""

    def __init__(self, config: M3ViTConfig, layer: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(config.d_model, eps=config.layer_norm_eps)
        self.attn = Attention(config)
        self.norm2 = nn.LayerNorm(config.d_model, eps=config.layer_norm_eps)
        self.mlp: Mlp | MoeMlp = MoeMlp(config) if config.is_moe(layer) else Mlp(config)

    def attend(self, x: Tensor) -> Tensor:
        """The block's first half, which no task changes."""
        out: Tensor = x + self.attn(self.norm1(x))
        return out

    def forward(self, x: Tensor, task: int, task_embedding: Tensor | None) -> Tensor:
        x = self.attend(x)
        y = self.norm2(x)
        z: Tensor = self.mlp(y, task, task_embedding) if isinstance(self.mlp, MoeMlp) else self.mlp(y)
        return x + z


class Backbone(nn.Module):
    """Images (B, C, H, W) to the residual stream after the last block, (B, tokens, d_model)."""

    def __init__(self, config: M3ViTConfig) -> None:
        super().__init__()
        self.config = config
        self.patch_embed = PatchEmbed(config)
        prefix = torch.zeros(1, config.prefix_tokens, config.d_model)
        self.cls_token = (
            nn.Parameter(prefix) if config.prefix_tokens else None
        )  # and what else precedes patches
        self.pos_embed = nn.Parameter(torch.zeros(1, config.n_tokens, config.d_model))
        self.blocks = nn.ModuleList(Block(config, layer) for layer in range(config.n_layers))
        self.gate_task_represent = TaskRepresentation(config) if config.gate == "task_conditioned" else None

    @property
    def layers(self) -> list[Block]:
        """The blocks, with their type."""
        return [block for block in self.blocks if isinstance(block, Block)]

    def embed(self, images: Tensor) -> Tensor:
        """Tokens before the first block: class token, then patches, plus position."""
        patches: Tensor = self.patch_embed(normalize_pixels(images, self.config))
        if self.cls_token is None:
            return patches + self.pos_embed
        return torch.cat((self.cls_token.expand(len(patches), -1, -1), patches), dim=1) + self.pos_embed

    def task_embedding(self, task: int) -> Tensor | None:
        """Vector (task_embedding_dim,) of a task-conditioned gate, None with one gate per task."""
        if self.gate_task_represent is None:
            return None
        out: Tensor = self.gate_task_represent(task)
        return out

    def forward(self, images: Tensor, task: int) -> Tensor:
        x = self.embed(images)
        embedding = self.task_embedding(task)
        for block in self.layers:
            x = block(x, task, embedding)
        return x

    def all_tasks(self, images: Tensor) -> list[Tensor]:
        """`forward` for every task, computing what comes before the first gate once."""
        tasks = range(len(self.config.tasks))
        embeddings = [self.task_embedding(task) for task in tasks]
        x, parted = self.embed(images), False
        for block in self.layers:
            x = block.attend(x)
            if isinstance(block.mlp, MoeMlp):
                x, parted = x if parted else x.repeat(len(tasks), 1, 1), True
                x = x + block.mlp.forward_tasks(block.norm2(x), tasks, embeddings)
            else:
                x = x + block.mlp(block.norm2(x))
        return list(x.chunk(len(tasks))) if parted else [x for _ in tasks]


class M3ViT(nn.Module):
    """Multi-task vision transformer with per-task routing.

    Args of `forward`:
        images: (B, C, H, W) float, pixels k/256 (before mean and std, which are the configuration's).
        task: a task name of the configuration.
    Returns:
        (B, channels of the task, H / 4, W / 4) for head_upscale 4 and patch_size 16; of a task of the host
        what its tail computes, without gradients.
    Raises:
        ConfigError: wrong image shape or unknown task.
    """

    def __init__(self, config: M3ViTConfig) -> None:
        super().__init__()
        self.config = config
        self.provenance = (
            ""  # where the weights come from, the text of a Provenance; kept by copies and files
        )
        self.tail: HostTail | None = None  # computes the maps of the tasks that have no decoder
        self.backbone = Backbone(config)
        try:
            self.decoders = nn.ModuleDict({task.name: Decoder(config, task) for task in config.device_tasks})
        except KeyError as error:  # "keys", "train": PyTorch needs them for itself
            names = ", ".join(config.task_names)
            raise ConfigError(f"a task of {names} has a name that PyTorch does not take: {error}") from error

    def decoder(self, task: str) -> Decoder:
        """The head of a task of the configuration."""
        decoder = self.decoders[task]
        assert isinstance(decoder, Decoder)
        return decoder

    def features(self, images: Tensor, task: str) -> Tensor:
        """The residual stream after the last block, (B, tokens, d_model)."""
        out: Tensor = self.backbone(images, self.config.task_index(task))
        return out

    def forward(self, images: Tensor, task: str) -> Tensor:
        return self._map(self.features(images, task), task)  # features first: they check the task's name

    def all_tasks(self, images: Tensor) -> dict[str, Tensor]:
        """The maps of every task, by name."""
        features = self.backbone.all_tasks(images)
        names = self.config.task_names
        return {name: self._map(x, name) for name, x in zip(names, features, strict=True)}

    def _map(self, features: Tensor, task: str) -> Tensor:
        entry = self.config.tasks[self.config.task_index(task)]
        if entry.host is None:
            out: Tensor = self.decoders[task](features)
            return out
        if self.tail is None:
            raise ConfigError(f"the network lacks its tail, which computes {task!r} on the host")
        session, shape = self.tail.open(), (*entry.host, entry.channels)
        maps = [session.run(x.numpy(), task, shape) for x in features.detach().cpu()]
        return torch.from_numpy(np.stack(maps)).movedim(-1, 1)
