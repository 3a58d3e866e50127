# SPDX-License-Identifier: Apache-2.0
"""What a processor is timed at: one task, all tasks of an image, a batch, the features."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor, nn

from peritus.demo import SCENE
from peritus.photo import photo_for
from quant_models.network.model import M3ViT
from quant_models.quantization.quantize import to_float

BATCH = 4  # as peritus.bench's


@dataclass(frozen=True)
class Work:
    """module: of images (B, C, H, W), what is computed. frames: maps that one call makes."""

    name: str
    module: nn.Module
    images: Tensor
    frames: int


class _Task(nn.Module):
    def __init__(self, net: M3ViT, task: str) -> None:
        super().__init__()
        self.net, self.task = net, task

    def forward(self, images: Tensor) -> Tensor:
        out: Tensor = self.net(images, self.task)
        return out


class _Tasks(nn.Module):
    """What comes before the first gate is computed once for all of them."""

    def __init__(self, net: M3ViT) -> None:
        super().__init__()
        self.net = net

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        return tuple(self.net.all_tasks(images).values())


class _Features(nn.Module):
    def __init__(self, net: M3ViT, task: str) -> None:
        super().__init__()
        self.net, self.task = net, task

    def forward(self, images: Tensor) -> Tensor:
        return self.net.features(images, self.task)


def works(net: M3ViT) -> Iterator[Work]:
    """All there are of a network, on the shipped scene; the features alone where its tasks are the host's."""
    config = net.config
    image = photo_for(SCENE, (config.image_height, config.image_width, config.in_channels))
    images, names = to_float(image[None], config), config.task_names
    if config.tasks[0].host is not None:
        yield Work("features", _Features(net, names[0]), images, 1)
        return
    yield Work(names[0], _Task(net, names[0]), images, 1)
    if len(names) > 1:
        yield Work(" + ".join(names), _Tasks(net), images, len(names))
    yield Work(f"{BATCH} × {names[0]}", _Task(net, names[0]), images.repeat(BATCH, 1, 1, 1), BATCH)
