# SPDX-License-Identifier: Apache-2.0
"""What calibration sees: ranges and samples of the activations of a float M³ViT, by forward hooks.

Memory does not grow with the number of images: of every tensor there are the range over all images and a
uniform random sample of its rows, drawn with a fixed seed.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from quant_models.network.config import ConfigError
from quant_models.network.layers import Attention, Mlp
from quant_models.network.model import Block, M3ViT
from quant_models.network.moe import ExpertLinear, MoeMlp
from quant_models.quantization.scales import INT8_MAX

# An expert that calibration routes fewer tokens to than this is observed on all tokens instead.
MIN_EXPERT_TOKENS = 32
SAMPLE_TOKENS = 2048  # rows kept of every tensor of tokens
SAMPLE_IMAGES = 32  # Q and K belong together image by image: so many are kept whole, per layer
BATCH = 16  # images in one forward pass
# Images are dealt out to folds: whether ranges hold for others is tried on the fold left out.
FOLDS = 4


class Samples:
    """One tensor over all images: `lowest`, `highest` (folds, channels) over the images of each fold, `count`
    rows seen, a sample of `rows` with the `folds` (rows,) that they are of.

    Every row draws a random number and the `capacity` smallest stay, which is a uniform sample without
    replacement however many rows follow.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.zero_point = 0
        self.count = 0
        self.lowest = self.highest = torch.empty(FOLDS, 0)
        self.rows = torch.empty(0)
        self.folds = torch.empty(0, dtype=torch.int64)
        self._draws = torch.empty(0)
        self._generator = torch.Generator().manual_seed(0)

    def add(self, rows: Tensor, fold: int = 0) -> None:
        """See `rows` (n, ..., channels), n >= 1, of one fold."""
        flat = rows.flatten(0, -2)
        draws = torch.rand(len(rows), generator=self._generator)
        first, self.count = self.count == 0, self.count + len(rows)
        if first:
            self.lowest = torch.full((FOLDS, flat.shape[1]), torch.inf)
            self.highest = -self.lowest
            self.rows, self._draws = rows[:0], draws[:0]
        elif len(self._draws) == self.capacity:
            keep = draws < self._draws.max()
            rows, draws = rows[keep], draws[keep]
        self.lowest[fold] = torch.minimum(self.lowest[fold], flat.amin(dim=0))
        self.highest[fold] = torch.maximum(self.highest[fold], flat.amax(dim=0))
        if len(rows):
            draws = torch.cat((self._draws, draws))
            chosen = draws.argsort()[: self.capacity]
            self.rows, self._draws = torch.cat((self.rows, rows))[chosen], draws[chosen]
            self.folds = torch.cat((self.folds, torch.full((len(rows),), fold)))[chosen]

    def shifted(self, centre: Tensor) -> Samples:
        """What x - centre would have looked like, centre (channels,)."""
        found = copy.copy(self)
        found.rows, found.lowest, found.highest = (
            self.rows - centre,
            self.lowest - centre,
            self.highest - centre,
        )
        return found

    def on(self, zero_point: int) -> Samples:
        """The same, for an int8 grid on which `zero_point` is 0."""
        found = copy.copy(self)
        found.zero_point = zero_point
        return found

    @property
    def peaks_of_others(self) -> Tensor:
        """`peaks` (folds, channels) over the images of all other folds; -inf where there are none."""
        others = [torch.cat((self.peaks[:fold], self.peaks[fold + 1 :])) for fold in range(FOLDS)]
        return torch.stack([peaks.amax(dim=0) for peaks in others])

    @property
    def mean(self) -> Tensor:
        """(channels,), of the sample."""
        return self.rows.flatten(0, -2).mean(dim=0)

    @property
    def peaks(self) -> Tensor:
        """max |x| (folds, channels); -inf in a fold without images. With a zero point, the max |x| for which
        +-127 would be as coarse as what the grid has on either side."""
        below, above = min(INT8_MAX + 1 + self.zero_point, INT8_MAX), INT8_MAX - self.zero_point
        return torch.maximum(-self.lowest * (INT8_MAX / below), self.highest * (INT8_MAX / above))

    @property
    def peak(self) -> Tensor:
        """`peaks` (channels,) over all images."""
        return self.peaks.amax(dim=0)

    @classmethod
    def joined(cls, parts: list[Samples]) -> Samples:
        """Several tensors of the same channels as one."""
        found = cls(sum(part.capacity for part in parts))
        found.count = sum(part.count for part in parts)
        found.lowest = torch.stack([part.lowest for part in parts]).amin(dim=0)
        found.highest = torch.stack([part.highest for part in parts]).amax(dim=0)
        found.rows, found.folds = (
            torch.cat([part.rows for part in parts]),
            torch.cat([p.folds for p in parts]),
        )
        return found


class Observer:
    """The tensors that `quant_models.quantization.fold` needs, over all images and tasks, by state-dict path.

    Outputs of `norm1`, `norm2`, `attn.qkv` (rows: whole images (tokens, 3 d)) and `decoders.<task>.head`; of
    `decoders.<task>.norm` before its affine. Inputs of `attn.proj`, `mlp.fc2` and of every expert's second
    layer (`...experts.h4toh.<expert>`). `residual_max` is max |x| of the residual stream and of what the
    blocks add to it.

    Args:
        images: (B, C, H, W) float, pixels k/256.
    Raises:
        ConfigError: no images, or not of this shape.
    """

    def __init__(self, net: M3ViT, images: Tensor) -> None:
        if images.ndim != 4 or images.shape[0] < 1:
            raise ConfigError(
                f"calibration images have shape {tuple(images.shape)}, expected (images, C, H, W)"
            )
        self.net = net
        self.residual_max = 0.0
        self._samples: dict[str, Samples] = {}
        self._fold = 0
        self._run(images)

    def __getitem__(self, name: str) -> Samples:
        """What was seen of a tensor; nothing of an expert that no token was routed to."""
        return self._samples.get(name, Samples(0))

    @torch.no_grad()
    def _run(self, images: Tensor) -> None:
        training = self.net.training
        self.net.eval()
        hooks = [
            module.register_forward_hook(hook)
            for name, module in self.net.named_modules()
            if (hook := self._hook(name, module)) is not None
        ]
        try:
            for task in self.net.config.task_names:
                for self._fold in range(FOLDS):
                    for batch in torch.split(images[self._fold :: FOLDS], BATCH):
                        if len(batch):
                            self.net(batch, task) if task in self.net.decoders else self.net.features(
                                batch, task
                            )
        finally:
            for handle in hooks:
                handle.remove()
            self.net.train(training)

    def _add(self, name: str, rows: Tensor, capacity: int = SAMPLE_TOKENS) -> None:
        self._samples.setdefault(name, Samples(capacity)).add(rows, self._fold)

    def _residual(self, *values: Tensor) -> None:
        self.residual_max = max(self.residual_max, *(float(v.abs().max()) for v in values))

    def _hook(self, name: str, module: nn.Module) -> Callable[[Any, tuple[Any, ...], Any], None] | None:
        """What to record of a module's inputs `x` and output `y`; None: nothing."""
        if isinstance(module, Block):
            return lambda _, x, y: self._residual(x[0], y)
        if isinstance(module, Attention | Mlp | MoeMlp):
            return lambda _, x, y: self._residual(y)
        if isinstance(module, ExpertLinear) and name.endswith(".h4toh"):
            return lambda _, x, y: self._add(f"{name}.{x[1]}", x[0])
        if name.endswith(".attn.qkv"):
            return lambda _, x, y: self._add(name, y, SAMPLE_IMAGES)
        if name.endswith((".norm1", ".norm2", ".head")):
            return lambda _, x, y: self._add(name, y.flatten(0, -2))
        if name.endswith((".attn.proj", ".mlp.fc2")):
            return lambda _, x, y: self._add(name, x[0].flatten(0, -2))
        if name.startswith("decoders.") and isinstance(module, nn.LayerNorm):
            return lambda _, x, y: self._add(
                name, F.layer_norm(x[0], module.normalized_shape, eps=module.eps).flatten(0, -2)
            )
        return None
