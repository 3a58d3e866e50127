# SPDX-License-Identifier: Apache-2.0
"""Random integer models for tests and benchmarks: no torch, any dimensions, any routing.

Scales come from running the growing graph on random images, so that every activation spreads over its range
without saturating everywhere: what a calibrated model looks like.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from peritus import reference as ref
from peritus.ir.graph import Graph
from peritus.ir.model_file import QuantModel
from peritus.ir.ops import (
    Add,
    Affine,
    Attention,
    Expert,
    Experts,
    Head,
    Int8,
    LayerNorm,
    Linear,
    Node,
    PatchEmbed,
    Requant,
    Router,
)
from peritus.ir.requant import affine_norm, requant
from peritus.ir.task import Task
from peritus.ir.types import IMAGE, Value
from peritus.reference.arithmetic import Ints
from peritus.schema import CLOSED, Count, Extent, Name, Whole

RoutingPattern = Literal["even", "skewed", "idle", "single", "ties"]
Float = npt.NDArray[np.float64]

ACTIVATION_STD = 40.0  # of 127
HIDDEN_STD = 256.0  # 1.0 in Q.8
RESIDUAL_STD = 2000.0
LOGIT_STD = 400.0  # 1/256 octaves
LARGEST_SCALE = 32767.0  # a multiplier of 16 bits, shifted by 1


@dataclass(frozen=True)
class Dims:
    """Dimensions of a random model; the defaults are m3vit_micro's.

    routing: "even" spreads tokens over all experts, "skewed" prefers a few, "idle" never uses the odd
    experts, "single" sends every token to experts 0..top_k-1, "ties" has coarse logits, most of them equal.
    expert_bits: width of the experts' weights. activation: of the MLPs, of peritus.reference.ACTIVATIONS.
    prefix: tokens in front of the patches. channels: of the image. moe_layers: layers with experts, None:
    every other one, beginning with the second. classes: of one more task, a classification by the class
    token; 0: none. zero_point: of the hidden values, as of a Linear.
    """

    __pydantic_config__ = CLOSED
    height: Extent = 32
    width: Extent = 64
    patch: Extent = 16
    d: Extent = 64
    heads: Extent = 2
    layers: Extent = 4
    hidden: Extent = 128
    experts: Extent = 4
    top_k: Extent = 2
    expert_hidden: Extent = 64
    upscale: Extent = 4
    task_channels: tuple[Extent, ...] = (8, 1)
    routing: RoutingPattern = "even"
    expert_bits: Literal[4, 8] = 8
    activation: Name = "gelu"
    prefix: Count = 1
    channels: Extent = 3
    moe_layers: tuple[Count, ...] | None = None
    classes: Count = 0
    zero_point: Whole = 0


def random_model(dims: Dims, seed: int = 0) -> QuantModel:
    """A model with random weights; the same dims and seed give the same model."""
    return _Builder(dims, np.random.default_rng(seed)).build(seed)


def random_image(dims: Dims, seed: int = 0) -> npt.NDArray[np.uint8]:
    """A uint8 [height, width, channels] image: smooth colours with noise, full range."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0 : dims.height, 0 : dims.width]
    frequencies = rng.uniform(0.02, 0.3, (dims.channels, 2))
    waves = [np.sin(x * fx + y * fy + rng.uniform(0, 6)) for fx, fy in frequencies]
    noise = rng.normal(0, 30, (dims.height, dims.width, dims.channels))
    return np.asarray((128 + 100 * np.stack(waves, -1) + noise).clip(0, 255), dtype=np.uint8)


class _Builder:
    """Adds nodes one at a time, computing each value on two images for the calibration of the next."""

    def __init__(self, dims: Dims, rng: np.random.Generator) -> None:
        self.dims, self.rng = dims, rng
        self.nodes: list[Node] = []
        self.runs: list[dict[str, Value]] = [{IMAGE: random_image(dims, seed)} for seed in (101, 102)]

    def build(self, seed: int) -> QuantModel:
        dims = self.dims
        residual = self._patch_embed()
        for layer in range(dims.layers):
            residual = self._attention(layer, residual)
            experts = layer % 2 == 1 if dims.moe_layers is None else layer in dims.moe_layers
            residual = self._moe(layer, residual) if experts else self._mlp(layer, residual)
        x = self._layernorm("norm", residual)
        tasks = tuple(
            Task(f"task{i}", "segmentation" if c > 1 else "depth", c, 1 / 256)
            for i, c in enumerate(dims.task_channels)
        )
        for task in tasks:
            affine = self._affine(self._stack(x), dims.upscale**2 * task.channels, RESIDUAL_STD)
            grid = dims.upscale, self._rows, self._columns
            self._add(Head(f"head_{task.name}", (x,), task.name, affine, *grid, dims.prefix))
        if dims.classes:
            affine = self._affine(self._stack(x), dims.classes, RESIDUAL_STD)
            self._add(Head("head_classes", (x,), "classes", affine, 1, 1, 1, first=0))
            tasks = (*tasks, Task("classes", "classification", dims.classes, 1 / 256))
        graph = Graph(dims.height, dims.width, tuple(self.nodes), tasks, residual, 1 / 1024)
        config = {key: value for key, value in asdict(dims).items() if isinstance(value, int | str)}
        return QuantModel("random", graph, f"untrained, seed {seed}", config)

    @property
    def _rows(self) -> int:
        return self.dims.height // self.dims.patch

    @property
    def _columns(self) -> int:
        return self.dims.width // self.dims.patch

    def _add(self, node: Node) -> str:
        self.nodes.append(node)
        for values in self.runs:
            values[node.name] = node.execute(values, 0)
        return node.name

    def _stack(self, name: str) -> Ints:
        """The value over all calibration images, tokens concatenated."""
        return np.concatenate([v for values in self.runs if isinstance(v := values[name], np.ndarray)])

    def _weights(self, outputs: int, inputs: int, bits: int) -> Int8:
        limit = (1 << (bits - 1)) - 1
        values = self.rng.normal(0, 40 * limit / 127, (outputs, inputs)).clip(-limit, limit)
        weights: Int8 = np.rint(values).astype(np.int8)
        return weights

    def _affine(
        self, x: Ints, outputs: int, std: float, spread: float = 0.5, bits: Literal[4, 8] = 8
    ) -> Affine:
        """Random weights; stage 1 gives outputs on `x` a deviation of `std`, varied by channel."""
        weight = self._weights(outputs, x.shape[1], bits)
        acc = ref.matmul(x, weight.T)
        deviation = np.maximum(acc.std(axis=0), 1.0)
        bias = np.rint(self.rng.normal(0, 0.3, outputs) * deviation - acc.mean(axis=0)).astype(np.int32)
        target = std * 2 ** self.rng.uniform(-spread, spread, outputs)
        scale = np.minimum(target / deviation, LARGEST_SCALE)  # of an output that is dead on both images
        return Affine(weight, bias, requant(scale), bits)

    def _patch_embed(self) -> str:
        d, patch = self.dims.d, self.dims.patch
        patches = np.concatenate([ref.image_patches(np.asarray(v[IMAGE]), patch) for v in self.runs])
        affine = self._affine(patches, d, RESIDUAL_STD)
        tokens = self.dims.prefix + self._rows * self._columns
        position = np.rint(self.rng.normal(0, RESIDUAL_STD / 2, (tokens, d))).astype(np.int16)
        return self._add(PatchEmbed("patch_embed", (IMAGE,), affine, position, patch))

    def _layernorm(self, name: str, residual: str) -> str:
        d = self.dims.d
        gamma = ACTIVATION_STD * 2 ** self.rng.uniform(-0.5, 0.5, d)
        norm = affine_norm(gamma, self.rng.normal(0, 10, d))
        return self._add(LayerNorm(name, (residual,), *norm, epsilon=40))

    def _attention(self, layer: int, residual: str) -> str:
        dims = self.dims
        x = self._layernorm(f"norm1_{layer}", residual)
        names = []
        for part in "qkv":
            affine = self._affine(self._stack(x), dims.d, ACTIVATION_STD)
            names.append(self._add(Linear(f"{part}_{layer}", (x,), affine)))
        q, k = (self._stack(name) for name in names[:2])
        head_dim = dims.d // dims.heads
        scores = [
            ref.matmul(q[:, c], k[:, c].T).std()
            for c in (slice(h * head_dim, (h + 1) * head_dim) for h in range(dims.heads))
        ]
        # Scores of 1.5 octaves deviation give some sharp and some flat rows.
        score = requant(24.0 / np.maximum(scores, 1.0))
        # Averaging over keys shrinks values: scale them back up. Stage 1 keeps 6 fraction bits.
        value = requant(2.0**6 * 2 ** self.rng.uniform(0, 1, dims.d))
        attended = self._add(Attention(f"attention_{layer}", tuple(names), dims.heads, score, value, 6))
        return self._residual_add(f"proj_{layer}", attended, residual)

    def _residual_add(self, name: str, x: str, residual: str) -> str:
        affine = self._affine(self._stack(x), self.dims.d, RESIDUAL_STD / 2)
        contribution = self._add(Linear(name, (x,), affine, bits=16))
        return self._add(Add(f"{name}_add", (residual, contribution)))

    def _hidden(self, x: Ints, channels: int, bits: Literal[4, 8] = 8) -> tuple[Affine, Requant]:
        affine = self._affine(x, channels, HIDDEN_STD, bits=bits)
        return affine, requant(0.25 * 2 ** self.rng.uniform(-0.5, 0.5, channels))

    def _mlp(self, layer: int, residual: str) -> str:
        x = self._layernorm(f"norm2_{layer}", residual)
        affine, rescale = self._hidden(self._stack(x), self.dims.hidden)
        zero_point = self.dims.zero_point
        fc1 = Linear(f"fc1_{layer}", (x,), affine, self.dims.activation, rescale, zero_point=zero_point)
        hidden = self._add(fc1)
        return self._residual_add(f"fc2_{layer}", hidden, residual)

    def _gate(self, x: Ints) -> Affine:
        dims = self.dims
        gate = self._affine(x, dims.experts, 0.7 if dims.routing == "ties" else LOGIT_STD, spread=0.0)
        push = np.zeros(dims.experts)  # added to the logits, in octaves
        if dims.routing == "skewed":
            push = -2.0 * np.arange(dims.experts)
        elif dims.routing == "idle":
            push[1::2] = -60
        elif dims.routing == "single":
            push[dims.top_k :] = -60
        factor = gate.requant.multiplier * 2.0 ** -gate.requant.shift.astype(np.float64)
        bias = gate.bias + np.rint(push * 256 / factor)
        return Affine(gate.weight, bias.astype(np.int32), gate.requant)

    def _moe(self, layer: int, residual: str) -> str:
        dims = self.dims
        x = self._layernorm(f"norm2_{layer}", residual)
        stacked = self._stack(x)
        gates = tuple(self._gate(stacked) for _ in range(len(dims.task_channels) + bool(dims.classes)))
        routing = self._add(Router(f"router_{layer}", (x,), gates, dims.top_k))
        experts = []
        for _ in range(dims.experts):
            hidden, rescale = self._hidden(stacked, dims.expert_hidden, dims.expert_bits)
            g = ref.ACTIVATIONS[dims.activation](hidden(stacked))
            activated = ref.to_int8(ref.rescale(g, rescale.multiplier, rescale.shift), dims.zero_point)
            # Four fraction bits more than the residual: score_shift is 15 + 4.
            output = self._affine(activated, dims.d, RESIDUAL_STD * 16, bits=dims.expert_bits)
            experts.append(Expert(hidden, rescale, output))
        return self._add(
            Experts(
                f"experts_{layer}",
                (x, routing, residual),
                tuple(experts),
                19,
                dims.activation,
                dims.zero_point,
            )
        )
