# SPDX-License-Identifier: Apache-2.0
"""Shapes of an M³ViT: the one record from which the networks, float and fake-quantized, are built."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal, get_args

from peritus.arch.isa import MAX_TASKS
from peritus.errors import PeritusError
from peritus.schema import CLOSED, MAX_EXTENT, Count, Extent, Name, Real, Text, Whole, name_fault
from peritus.tasks import TaskKind

GateKind = Literal["multi_gate", "task_conditioned"]
ActivationKind = Literal["gelu", "relu"]


class ConfigError(PeritusError, ValueError):
    """A model configuration that cannot exist; the message names the field, its value and the limit."""


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ConfigError(message)


@dataclass(frozen=True, slots=True)
class TaskConfig:
    """One task: `channels` is the class count of a segmentation or of a classification of the whole image, or
    the map count of a regression.

    `classes`: one name per channel, or empty. `host`: rows and columns of a map that the network's tail
    computes on the host (`M3ViT.tail`), instead of a head of ours.
    """

    __pydantic_config__ = CLOSED
    name: Name
    kind: TaskKind
    channels: Extent
    classes: tuple[Name, ...] = ()
    host: tuple[Extent, Extent] | None = None

    def __post_init__(self) -> None:
        _require(self.name.isidentifier(), f"task name {self.name!r} is not an identifier")
        for name in (self.name, *self.classes):
            _require(not (fault := name_fault(name)), f"task {self.name!r}: {fault}")
        _require(self.kind in get_args(TaskKind), f"task {self.name}: unknown kind {self.kind!r}")
        _require(self.channels >= 1, f"task {self.name}: channels = {self.channels}, must be at least 1")
        _require(
            len(self.classes) in (0, self.channels),
            f"task {self.name}: {len(self.classes)} class names for {self.channels} channels",
        )
        _require(
            self.host is not None or self.kind != "embedding",
            f"task {self.name}: no head of ours makes an {self.kind}, the host must (host = rows, columns)",
        )


@dataclass(frozen=True, slots=True)
class M3ViTConfig:
    """M³ViT (Liang et al., NeurIPS 2022): a ViT with a mixture of experts as the MLP of some blocks.

    Lengths are in pixels (`image_*`, `patch_size`) or channels (`d_model`, `head_dim`, `*_hidden`).
    `pixel_mean`/`pixel_std` are applied to pixels already scaled to k/256, per input channel.
    `activation`: of all MLPs, dense and experts. `prefix_tokens`: learned tokens in front of the patches: the
    class token, then distillation or register tokens; 0: none. `moe_layers`: the blocks with experts, from 0,
    ascending; None: every other one, as published, beginning with the second.

    Raises:
        ConfigError: a value is outside its range, or two values do not fit together.
    """

    __pydantic_config__ = CLOSED
    name: Text
    image_height: Whole
    image_width: Whole
    d_model: Whole
    n_layers: Whole
    n_heads: Whole
    head_dim: Whole
    mlp_hidden: Whole
    expert_hidden: Whole
    n_experts: Whole
    top_k: Whole
    tasks: tuple[TaskConfig, ...]
    patch_size: Whole = 16
    in_channels: Whole = 3
    gate: GateKind = "multi_gate"
    task_embedding_dim: Whole = 64
    head_upscale: Whole = 4
    moe_layers: tuple[Count, ...] | None = None
    layer_norm_eps: Real = 1e-6
    pixel_mean: tuple[Real, ...] = (0.0, 0.0, 0.0)
    pixel_std: tuple[Real, ...] = (1.0, 1.0, 1.0)
    activation: ActivationKind = "gelu"
    prefix_tokens: Whole = 1

    def __post_init__(self) -> None:
        for field in (
            "image_height",
            "image_width",
            "d_model",
            "n_layers",
            "n_heads",
            "head_dim",
            "mlp_hidden",
            "expert_hidden",
            "n_experts",
            "top_k",
            "patch_size",
            "in_channels",
            "task_embedding_dim",
            "head_upscale",
        ):
            value = getattr(self, field)
            _require(
                type(value) is int and 1 <= value <= MAX_EXTENT,
                f"{field} = {value!r}, must be an integer of 1..{MAX_EXTENT}",
            )
        for field, length in (("image_height", self.image_height), ("image_width", self.image_width)):
            _require(
                length % self.patch_size == 0,
                f"{field} = {length} is not a multiple of patch_size = {self.patch_size}",
            )
        _require(
            self.n_heads * self.head_dim == self.d_model,
            f"n_heads * head_dim = {self.n_heads * self.head_dim}, must equal d_model = {self.d_model}",
        )
        _require(
            0 <= self.prefix_tokens <= MAX_EXTENT,
            f"prefix_tokens = {self.prefix_tokens}, must be 0..{MAX_EXTENT}",
        )
        _require(
            list(self.expert_layers) == sorted(set(self.expert_layers) & set(range(self.n_layers))),
            f"moe_layers = {self.moe_layers}, must be ascending layers of 0..{self.n_layers - 1}",
        )
        _require(self.top_k <= self.n_experts, f"top_k = {self.top_k} exceeds n_experts = {self.n_experts}")
        _require(self.gate in ("multi_gate", "task_conditioned"), f"unknown gate kind {self.gate!r}")
        _require(
            self.activation in get_args(ActivationKind),
            f"activation = {self.activation!r}, must be one of {', '.join(get_args(ActivationKind))}",
        )
        drawn = any(not task.host and task.kind != "classification" for task in self.tasks)
        _require(
            not drawn or self.patch_size % self.head_upscale == 0,
            f"head_upscale = {self.head_upscale} does not divide patch_size = {self.patch_size}",
        )
        _require(
            self.prefix_tokens > 0 or not any(t.kind == "classification" and not t.host for t in self.tasks),
            "prefix_tokens = 0, but a classification reads the class token; a mean over tokens is the host's",
        )
        _require(1 <= len(self.tasks) <= MAX_TASKS, f"{len(self.tasks)} tasks, must be 1..{MAX_TASKS}")
        names = [task.name for task in self.tasks]
        _require(len(set(names)) == len(names), f"task names {names} are not distinct")
        for field, values in (("pixel_mean", self.pixel_mean), ("pixel_std", self.pixel_std)):
            _require(
                len(values) == self.in_channels and all(map(math.isfinite, values)),
                f"{field} = {values}, needs {self.in_channels} finite values (in_channels)",
            )
        _require(all(v > 0 for v in self.pixel_std), f"pixel_std = {self.pixel_std}, must be positive")
        _require(
            0 < self.layer_norm_eps < math.inf,
            f"layer_norm_eps = {self.layer_norm_eps}, must be positive and finite",
        )

    @property
    def grid(self) -> tuple[int, int]:
        """Patch rows and columns."""
        return self.image_height // self.patch_size, self.image_width // self.patch_size

    @property
    def n_tokens(self) -> int:
        """Patches, and the prefix in front of them."""
        return self.grid[0] * self.grid[1] + self.prefix_tokens

    @property
    def device_tasks(self) -> tuple[TaskConfig, ...]:
        """The tasks with a head of ours."""
        return tuple(task for task in self.tasks if not task.host)

    @property
    def task_names(self) -> tuple[str, ...]:
        return tuple(task.name for task in self.tasks)

    @property
    def expert_layers(self) -> tuple[int, ...]:
        """The blocks that hold experts."""
        return tuple(range(1, self.n_layers, 2)) if self.moe_layers is None else self.moe_layers

    def is_moe(self, layer: int) -> bool:
        """Does the block hold experts?"""
        return layer in self.expert_layers

    def task_index(self, name: str) -> int:
        """Position of the task in the task table.

        Raises:
            ConfigError: the model has no such task.
        """
        if name not in self.task_names:
            raise ConfigError(f"unknown task {name!r}; {self.name} has {', '.join(self.task_names)}")
        return self.task_names.index(name)


# fmt: off
CITYSCAPES_CLASSES = (
    "road", "sidewalk", "building", "wall", "fence", "pole", "traffic light", "traffic sign", "vegetation",
    "terrain", "sky", "person", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle",
)
# fmt: on
STREET_CLASSES = ("road", "sidewalk", "building", "vegetation", "sky", "person", "car", "pole")

M3VIT_TINY = M3ViTConfig(
    name="m3vit_tiny",
    image_height=128,
    image_width=256,
    d_model=192,
    n_layers=12,
    n_heads=3,
    head_dim=64,
    mlp_hidden=768,
    expert_hidden=384,
    n_experts=16,
    top_k=2,
    tasks=(TaskConfig("semseg", "segmentation", 19, CITYSCAPES_CLASSES), TaskConfig("depth", "depth", 1)),
)

M3VIT_MICRO = M3ViTConfig(
    name="m3vit_micro",
    image_height=32,
    image_width=64,
    d_model=64,
    n_layers=4,
    n_heads=2,
    head_dim=32,
    mlp_hidden=128,
    expert_hidden=64,
    n_experts=4,
    top_k=2,
    tasks=(TaskConfig("semseg", "segmentation", 8, STREET_CLASSES), TaskConfig("depth", "depth", 1)),
)

# The yardstick of the experts: blocks as wide as what one token meets in M3VIT_TINY, so equally many MACs.
VIT_TINY_DENSE = replace(M3VIT_TINY, name="vit_tiny_dense", moe_layers=())

NAMED_CONFIGS = {config.name: config for config in (M3VIT_TINY, M3VIT_MICRO, VIT_TINY_DENSE)}


def named_config(name: str) -> M3ViTConfig:
    """Look a named model up.

    Raises:
        ConfigError: no model of this name.
    """
    if name not in NAMED_CONFIGS:
        raise ConfigError(f"unknown model {name!r}; known: {', '.join(NAMED_CONFIGS)}")
    return NAMED_CONFIGS[name]
