# SPDX-License-Identifier: Apache-2.0
"""Rounding weights so that their errors compensate each other: GPTQ (Frantar et al., 2022).

A layer's weights W are to become integers Q times a given scale per row. What counts is the error of the
output, |X (Q s - W)^T|^2 = tr((Q s - W) H (Q s - W)^T) with H = X^T X, X being the layer's inputs. Column by
column, a weight is rounded and its error is added to the columns not yet rounded, by as much as H lets them
make up for it: with U the upper Cholesky factor of H^-1,

    e = (w_j - q_j s) / U_jj,    w_k -= e U_jk  for all k > j.

Columns are taken by falling H_jj, the loudest inputs first, while many others can still compensate.

Layers are rounded in the order of execution, X being what the model produces with all earlier layers rounded.
Experts see the tokens that are routed to them. Before it is rounded, a layer is refitted to these inputs:
what it should compute, from exact inputs, is predicted from X by ridge regression. The bias is free, and
takes up the mean of the rounding's error at the end.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
from brevitas.graph.calibrate import quantization_status_manager
from torch import Tensor, nn
from torch.nn import functional as F

from quant_models.network.moe import route
from quant_models.network.noise import decibels
from quant_models.quantization.fake_quant import QuantBlock, QuantM3ViT, QuantMlp
from quant_models.quantization.fake_quant_moe import QuantMoeMlp
from quant_models.quantization.observe import BATCH
from quant_models.quantization.quantizers import weight_of

COLUMNS = 128  # errors reach the columns of a block at once, those behind it when the block is done
HALVES = 2  # of the images, each of which judges what the other one refits
DAMPING = 0.01  # of the mean of H's diagonal, added to it
PULLS = (1e4, 10.0, 1.0, 0.1)  # towards the float weights, falling; at the first, only the bias moves


@dataclass(frozen=True)
class Rounding:
    """One layer's rounding: on how many `tokens`, and the SNR of its outputs there, in dB.

    `compensated_db` is None where tokens were too few (fewer than input channels): there, weights are rounded
    to nearest. `pull`: of `refit`.
    """

    tokens: int
    nearest_db: float
    compensated_db: float | None
    pull: float | None


class Moments:
    """Sums over a layer's inputs x and what its outputs should be, t, in float64; `tokens` of them.

    xx (channels + 1, channels + 1) and xt (channels + 1, outputs), x with a 1 for the bias behind it.
    """

    def __init__(self, channels: int, outputs: int) -> None:
        self.xx = torch.zeros(channels + 1, channels + 1, dtype=torch.float64)
        self.xt = torch.zeros(channels + 1, outputs, dtype=torch.float64)
        self.tokens = 0

    def add(self, x: Tensor, target: Tensor, importance: Tensor | None = None) -> None:
        """Inputs (..., channels), targets (..., outputs); importance (tokens, 1) multiplies both."""
        x, target = x.detach().flatten(0, -2), target.detach().flatten(0, -2)
        x = F.pad(x, (0, 1), value=1.0)
        if importance is not None:
            x, target = x * importance, target * importance
        self.xx += (x.T @ x).double()
        self.xt += (x.T @ target).double()
        self.tokens += len(x)

    def __add__(self, other: Moments) -> Moments:
        total = Moments(len(self.xx) - 1, self.xt.shape[1])
        total.xx, total.xt = self.xx + other.xx, self.xt + other.xt
        total.tokens = self.tokens + other.tokens
        return total

    @property
    def hessian(self) -> Tensor:
        """X^T X (channels, channels) of what no bias makes up for: x less its mean."""
        cross = self.xx[:-1, -1:]
        return self.xx[:-1, :-1] - cross @ cross.T / self.xx[-1, -1].clamp(min=1e-30)

    def loss(self, w: Tensor) -> float:
        """|X w^T - T|^2 - |T|^2 of weights with their bias (outputs, channels + 1)."""
        return float((w @ self.xx * w).sum() - 2 * (w * self.xt.T).sum())

    def solve(self, w: Tensor, pull: float) -> Tensor:
        """The weights with the least |X w'^T - T|^2 + pull |w' - w|^2, pull in units of a channel's power."""
        power = float(self.xx.diagonal()[:-1].mean())
        h = self.xx.clone()
        h.diagonal()[:-1] += max(power * pull, 1e-30)
        h.diagonal()[-1] += max(float(h[-1, -1]) * 1e-9, 1e-30)  # the bias is free
        step: Tensor = torch.cholesky_solve(self.xt - self.xx @ w.T, torch.linalg.cholesky(h)).T
        return w + step


def refit(w: Tensor, folds: Sequence[Moments]) -> tuple[Tensor, float | None]:
    """Weights with their bias (outputs, channels + 1) that make the best of the inputs that there are.

    How far they may move is what serves each fold best when the others decide. Returns them and the pull
    towards what they were; None: they stay, for nothing else serves better.
    """
    if min(fold.tokens for fold in folds) == 0:
        return w, None
    best, least = None, sum(fold.loss(w) for fold in folds)
    for pull in PULLS:
        found = sum(fold.loss(other.solve(w, pull)) for fold, other in zip(folds, folds[::-1], strict=True))
        if found >= least:
            break
        best, least = pull, found
    return (w if best is None else (folds[0] + folds[1]).solve(w, best)), best


def nearest(weight: Tensor, scale: Tensor, limit: int) -> Tensor:
    """Integers (out, in), kept as float: weight / scale rounded and clamped to +-limit."""
    return (weight / scale).round().clamp(-limit, limit)


def compensate(weight: Tensor, hessian: Tensor, scale: Tensor, limit: int) -> Tensor:
    """GPTQ.

    Each row's largest weight keeps its nearest integer: where the scale is max |w| / limit, it stays so.

    Args:
        weight: (out, in). hessian: (in, in), X^T X. scale: (out, 1). limit: largest integer.
    Returns:
        Integers (out, in), kept as float64.
    """
    order = hessian.diagonal().argsort(descending=True, stable=True)
    h = hessian[order][:, order]
    mean = float(h.diagonal().mean())
    h = h + torch.eye(len(h), dtype=h.dtype) * (DAMPING * mean if mean > 0 else 1.0)
    upper = torch.linalg.cholesky(torch.cholesky_inverse(torch.linalg.cholesky(h)), upper=True)

    scale = scale.double()
    w = weight[:, order].double()
    fixed = nearest(w, scale, limit)
    largest = w.abs() == w.abs().amax(dim=1, keepdim=True)
    integers = torch.empty_like(w)
    for start in range(0, w.shape[1], COLUMNS):
        stop = min(start + COLUMNS, w.shape[1])
        errors = torch.empty(len(w), stop - start, dtype=w.dtype)
        for j in range(start, stop):
            q = torch.where(largest[:, j], fixed[:, j], nearest(w[:, j], scale[:, 0], limit))
            integers[:, j] = q
            error = (w[:, j] - q * scale[:, 0]) / upper[j, j]
            w[:, j + 1 : stop] -= torch.outer(error, upper[j, j + 1 : stop])
            errors[:, j - start] = error
        w[:, stop:] -= errors @ upper[start:stop, stop:]
    return integers[:, order.argsort()]


@torch.no_grad()
def round_rows(
    layer: nn.Module, bias: Tensor, folds: Sequence[Moments], rows: slice = slice(None)
) -> Rounding:
    """Move weights of a Brevitas layer onto its grid, where its own quantizer leaves them.

    Args:
        layer: its scales and bit width are taken as they are; its weight is changed in place.
        bias: of these rows, changed in place.
        folds: of the inputs of these rows. rows: output channels.
    """
    parameter = layer.weight
    assert isinstance(parameter, Tensor)
    flat = parameter.view(len(parameter), -1)
    moments = folds[0] + folds[1]
    original = torch.cat((flat[rows], bias[:, None]), dim=1).double()
    w, pull = refit(original, folds)
    flat[rows] = w[:, :-1].to(flat.dtype)
    quantizer = layer.quant_weight()  # type: ignore[operator]
    limit = 2 ** (int(quantizer.bit_width) - 1) - 1
    weight = flat[rows].clone()
    scale = quantizer.scale.flatten(1).expand(len(parameter), 1)[rows]
    hessian = moments.hessian

    def power(w: Tensor) -> float:
        return float((w.double() @ hessian * w).sum())

    def snr(integers: Tensor) -> float:
        return decibels(power(weight), power(integers * scale - weight))

    integers = nearest(weight, scale, limit)
    simple, found = snr(integers), None
    if moments.tokens >= weight.shape[1]:
        integers = compensate(weight, hessian, scale, limit)
        found = snr(integers)
        # The largest weight itself, not its rounded product, so that max |w| stays to the last bit.
        largest = weight.abs() == weight.abs().amax(dim=1, keepdim=True)
        flat[rows] = torch.where(largest, weight, (integers * scale).to(weight.dtype))
    if moments.tokens:
        error = weight.double() - integers.double() * scale
        mean = moments.xx[:-1, -1] / moments.xx[-1, -1].clamp(min=1e-30)
        bias.copy_(w[:, -1] + error @ mean)
    return Rounding(moments.tokens, simple, found, pull)


@torch.no_grad()
def round_weights(model: QuantM3ViT, images: Tensor) -> dict[str, Rounding]:
    """Round all weights of a fake-quantized model in place; what happened, by layer (and task or expert).

    Args:
        images: (B, C, H, W), pixels k/256. All tasks are run.
    """
    exact = copy.deepcopy(model)
    with quantization_status_manager(exact, disable_act_quant=True, disable_weight_quant=True):
        return _Rounds(model, exact).run(images)


@dataclass(frozen=True)
class _Stream:
    """The residual stream of a batch, as it is and as it should be."""

    task: Tensor
    fold: int
    x: Tensor
    exact: Tensor


class _Rounds:
    """Through both models, layer by layer; `exact` has the weights before rounding, and rounds nothing."""

    def __init__(self, model: QuantM3ViT, exact: QuantM3ViT) -> None:
        self.model, self.exact = model, exact
        self.report: dict[str, Rounding] = {}

    def run(self, images: Tensor) -> dict[str, Rounding]:
        model, exact = self.model, self.exact
        tasks = [torch.tensor(task) for task in range(len(model.config.tasks))]
        batches = [
            (f, batch) for f in range(HALVES) for batch in torch.split(images[f::HALVES], BATCH) if len(batch)
        ]
        patch, goal = model.backbone.patch_embed, exact.backbone.patch_embed
        folds = _moments(patch)
        for fold, batch in batches:
            pixels = model.backbone.pixel_quant(batch)
            x = F.unfold(pixels, patch.kernel_size, stride=patch.stride).transpose(1, 2)
            folds[fold].add(x, goal(batch).flatten(2).transpose(1, 2))
        self.round("patch_embed", patch, folds)
        streams = [
            _Stream(task, fold, model.backbone.embed(batch), exact.backbone.embed(batch))
            for task in tasks
            for fold, batch in batches
        ]
        for index, blocks in enumerate(zip(model.backbone.layers, exact.backbone.layers, strict=True)):
            streams = self.block(f"blocks.{index}", *blocks, streams)
        for name in (task.name for task in model.config.device_tasks):
            index = model.config.task_index(name)
            decoder, goal_decoder = model.decoder(name), exact.decoder(name)
            folds = _moments(decoder.head)
            for s in streams:
                if int(s.task) == index:
                    x = decoder.shape.tokens(model.final_quant(model.final_norm(s.x)))
                    y = decoder.shape.tokens(exact.final_norm(s.exact))
                    folds[s.fold].add(x, goal_decoder.head(y))
            self.round(f"head.{name}", decoder.head, folds)
        return self.report

    def round(self, name: str, layer: nn.Module, folds: list[Moments]) -> None:
        bias = layer.bias
        assert isinstance(bias, Tensor)
        self.report[name] = round_rows(layer, bias, folds)

    def block(self, path: str, block: QuantBlock, exact: QuantBlock, streams: list[_Stream]) -> list[_Stream]:
        """Round a block; the streams behind it."""
        qkv, proj = _moments(block.attn.qkv), _moments(block.attn.proj)
        for s in streams:
            qkv[s.fold].add(block.norm1_quant(block.norm1(s.x)), exact.attn.qkv(exact.norm1(s.exact)))
        self.round(f"{path}.qkv", block.attn.qkv, qkv)
        goals = [exact.attend(s.exact) for s in streams]
        with _inputs(block.attn.proj) as inputs:
            for s, goal in zip(streams, goals, strict=True):
                block.attend(s.x)
                proj[s.fold].add(inputs.pop(), goal - s.x)  # what earlier layers got wrong is made up for
        self.round(f"{path}.proj", block.attn.proj, proj)
        streams = [
            replace(s, x=block.attend(s.x), exact=goal) for s, goal in zip(streams, goals, strict=True)
        ]
        tokens = [block.norm2_quant(block.norm2(s.x)) for s in streams]
        wanted = [exact.norm2(s.exact) for s in streams]
        if isinstance(block.mlp, QuantMoeMlp):
            assert isinstance(exact.mlp, QuantMoeMlp)
            self.moe(path, block.mlp, exact.mlp, streams, tokens, wanted)
        else:
            assert isinstance(exact.mlp, QuantMlp)
            self.mlp(path, block.mlp, exact.mlp, streams, tokens, wanted)
        behind = []
        for s, x, y in zip(streams, tokens, wanted, strict=True):
            added = block.mlp(x, s.task) if isinstance(block.mlp, QuantMoeMlp) else block.mlp(x)
            goal = exact.mlp(y, s.task) if isinstance(exact.mlp, QuantMoeMlp) else exact.mlp(y)
            behind.append(replace(s, x=block.mlp_residual_quant(s.x + added), exact=s.exact + goal))
        return behind

    def mlp(
        self,
        path: str,
        mlp: QuantMlp,
        exact: QuantMlp,
        streams: list[_Stream],
        tokens: list[Tensor],
        wanted: list[Tensor],
    ) -> None:
        first, second = _moments(mlp.fc1), _moments(mlp.fc2)
        for s, x, y in zip(streams, tokens, wanted, strict=True):
            first[s.fold].add(x, exact.fc1(y))
        self.round(f"{path}.fc1", mlp.fc1, first)
        with _inputs(mlp.fc2) as inputs:
            for s, x, y in zip(streams, tokens, wanted, strict=True):
                mlp(x)
                second[s.fold].add(inputs.pop(), exact(y) + s.exact - s.x)
        self.round(f"{path}.fc2", mlp.fc2, second)

    def moe(
        self,
        path: str,
        moe: QuantMoeMlp,
        exact: QuantMoeMlp,
        streams: list[_Stream],
        tokens: list[Tensor],
        wanted: list[Tensor],
    ) -> None:
        """Gates on their task's tokens; experts on theirs, each times its score, as it counts in the sum."""
        config = moe.config
        n = config.n_experts
        for gate in range(moe.n_gates):
            rows = slice(gate * n, (gate + 1) * n)
            folds = _moments(moe.gate, rows)
            bias = moe.gate_bias[gate]
            for s, x, y in zip(streams, tokens, wanted, strict=True):
                if moe.n_gates == 1 or int(s.task) == gate:
                    # Of one gate for all tasks, what tasks add to its logits stays out.
                    folds[s.fold].add(x, exact.logits(y, s.task) - moe.gate_bias[int(s.task)] + bias)
            before = bias.clone()
            self.report[f"{path}.gate{gate}"] = round_rows(moe.gate, bias, folds, rows)
            if moe.n_gates == 1:
                moe.gate_bias[1:] += bias - before
        x, y = (torch.cat([t.flatten(0, 1) for t in side]) for side in (tokens, wanted))
        parts = list(zip(streams, tokens, strict=True))
        fold = torch.cat([torch.full((t.shape[0] * t.shape[1],), s.fold) for s, t in parts])
        logits = torch.cat([moe.logits(t, s.task).flatten(0, 1) for s, t in parts])
        indices, scores = route(logits, config.top_k)
        for expert in range(n):
            chosen, slots = torch.nonzero(indices == expert, as_tuple=True)
            score, where = scores[chosen, slots, None], fold[chosen]
            rows = slice(expert * config.expert_hidden, (expert + 1) * config.expert_hidden)
            target = F.linear(y[chosen], exact.htoh4.weight[rows], exact.htoh4.bias[rows])
            folds = _moments(moe.htoh4, rows)
            _deal(folds, where, x[chosen], target, score)
            report = round_rows(moe.htoh4, moe.htoh4.bias[rows], folds, rows)
            self.report[f"{path}.expert{expert}.htoh4"] = report
            first = weight_of(moe.htoh4)[rows]
            hidden = moe.hidden(x[chosen], first, moe.htoh4.bias[rows], moe.hidden_factor[expert])
            target = exact.activation(target) * exact.hidden_factor[expert]
            rows = slice(expert * config.d_model, (expert + 1) * config.d_model)
            target = F.linear(target, exact.h4toh.weight[rows], exact.h4toh.bias[rows])
            folds = _moments(moe.h4toh, rows)
            _deal(folds, where, hidden, target, score)
            report = round_rows(moe.h4toh, moe.h4toh.bias[rows], folds, rows)
            self.report[f"{path}.expert{expert}.h4toh"] = report


def _moments(layer: nn.Module, rows: slice = slice(None)) -> list[Moments]:
    weight = layer.weight
    assert isinstance(weight, Tensor)
    weight = weight.flatten(1)[rows]
    return [Moments(weight.shape[1], len(weight)) for _ in range(HALVES)]


def _deal(folds: list[Moments], where: Tensor, x: Tensor, target: Tensor, score: Tensor) -> None:
    """Tokens to the fold that they are of."""
    for index, fold in enumerate(folds):
        mine = where == index
        fold.add(x[mine], target[mine], score[mine])


@contextmanager
def _inputs(layer: nn.Module) -> Iterator[list[Tensor]]:
    """The inputs that a layer gets while the body runs."""
    found: list[Tensor] = []
    handle = layer.register_forward_pre_hook(lambda _, inputs: found.append(inputs[0]))
    try:
        yield found
    finally:
        handle.remove()
