# SPDX-License-Identifier: Apache-2.0
"""Float M³ViT + calibration images -> fake-quantized model, all per-channel activation scales folded in.

A scale vector s between a producer and its readers becomes W diag(s) in the readers and 1 / s in the
producer: in LayerNorm's gamma and beta, the rows of Q, K and V, the factors behind activations and P V.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from peritus.ir.formats import GELU_SCALE
from peritus.reference import HIDDEN_ZERO_POINT
from quant_models.network.layers import Mlp
from quant_models.network.model import Block, M3ViT
from quant_models.network.moe import Gate, MoeMlp
from quant_models.network.threads import torch_threads
from quant_models.quantization.clips import fit_clip, quantize_clipped
from quant_models.quantization.fake_quant import QuantBlock, QuantM3ViT, QuantMlp
from quant_models.quantization.fake_quant_moe import QuantMoeMlp
from quant_models.quantization.gptq import Rounding, round_weights
from quant_models.quantization.observe import MIN_EXPERT_TOKENS, Observer, Samples
from quant_models.quantization.recipe import DEFAULT, Recipe
from quant_models.quantization.scales import (
    ALPHAS,
    ENDS,
    ChannelScales,
    Trial,
    channel_range,
    quantize_weight,
    search_query_key_scales,
    search_scales,
)

RESIDUAL_HEADROOM = 1.25
# Hidden values are multiples of GELU_SCALE: of a silent channel, finer steps than this say nothing.
LEAST_HIDDEN_SCALE = GELU_SCALE / 128
LOGIT_HEADROOM = 1.25
INT16_MAX = 32767


@dataclass(frozen=True)
class Report:
    """What was chosen. scales: by tensor name. rounding: by layer, empty without GPTQ."""

    scales: dict[str, ChannelScales] = field(default_factory=dict)
    rounding: dict[str, Rounding] = field(default_factory=dict)


@dataclass(frozen=True)
class _Fold:
    """From where to where, and how."""

    net: M3ViT
    model: QuantM3ViT
    seen: Observer
    recipe: Recipe
    report: Report

    def ranges(self, peak: Tensor) -> Tensor:
        """Ranges as the recipe looks at them: with one scale per tensor all channels are like the loudest."""
        ranges = channel_range(peak.reshape(1, -1)).view_as(peak)
        return ranges if self.recipe.scales == "channel" else ranges.amax().expand_as(ranges)

    @property
    def alphas(self) -> tuple[float, ...]:
        return ALPHAS if self.recipe.scales == "channel" else (0.0,)

    @property
    def ends(self) -> tuple[float, ...]:
        return ENDS if self.recipe.scales == "channel" else (1.0,)

    def centre(self, seen: Samples) -> Tensor:
        """What is taken off every channel: its mean."""
        return seen.mean if self.recipe.scales == "channel" else torch.zeros_like(seen.mean)

    def trials(self, seen: Samples) -> list[Trial]:
        """Samples of each fold, with the ranges of the others."""
        found = []
        for fold, others in enumerate(seen.peaks_of_others):
            rows = seen.rows[seen.folds == fold]
            if len(rows) and bool(torch.isfinite(others).all()):
                found.append(Trial(rows, self.ranges(others)))
        return found or [Trial(seen.rows, self.ranges(seen.peak))]  # one fold has nothing to compare with

    def search(
        self,
        name: str,
        seen: Samples,
        weight: Tensor,
        quantize: Callable[[Tensor], Tensor] = quantize_weight,
    ) -> Tensor:
        """The scales of tensor `name`, given what was seen of it and its readers' weights."""
        found = search_scales(
            self.trials(seen),
            self.ranges(seen.peak),
            weight,
            self.alphas,
            self.ends,
            quantize,
            seen.zero_point,
        )
        self.report.scales[name] = found
        return found.scales


def grid_scale(largest: float) -> float:
    """The smallest s = m 2^e with largest <= 32767 s; m in 32..64 has few digits, so that s is exact."""
    mantissa, exponent = math.frexp(max(largest, 1e-6) / INT16_MAX)
    return math.ldexp(math.ceil(mantissa * 64), exponent - 6)


@torch_threads(1)
@torch.no_grad()
def fake_quantize(net: M3ViT, images: Tensor, recipe: Recipe = DEFAULT) -> tuple[QuantM3ViT, Report]:
    """Calibrate `net` on `images` (B, C, H, W; pixels k/256); the fake-quantized model, to be evaluated."""
    seen = Observer(net, images)
    heads = {
        task: float(seen[f"decoders.{task}.head"].peak.max()) * LOGIT_HEADROOM / INT16_MAX
        for task in (task.name for task in net.config.device_tasks)
    }
    residual_scale = grid_scale(seen.residual_max * RESIDUAL_HEADROOM)
    model = QuantM3ViT(net.config, residual_scale, heads, recipe.expert_bits).eval()
    c = _Fold(net, model, seen, recipe, Report())
    _fold_embedding(c)
    for layer, (block, quant) in enumerate(zip(net.backbone.layers, model.backbone.layers, strict=True)):
        path = f"backbone.blocks.{layer}"
        _fold_attention(c, block, quant, path)
        if isinstance(block.mlp, MoeMlp):
            _fold_moe(c, block, quant, path)
        else:
            _fold_mlp(c, block, quant, path)
    _fold_heads(c)
    if recipe.gptq:
        c.report.rounding.update(round_weights(model, images))
    return model, c.report


def _flat(samples: Tensor) -> Tensor:
    return samples.flatten(0, -2)


def _set_norm(target: torch.nn.LayerNorm, weight: Tensor, bias: Tensor, s: Tensor) -> None:
    target.weight.copy_(weight / s)
    target.bias.copy_(bias / s)


def _fold_embedding(c: _Fold) -> None:
    net, model = c.net, c.model
    proj = net.backbone.patch_embed.proj
    mean = torch.tensor(net.config.pixel_mean)[:, None, None]
    weight = proj.weight / torch.tensor(net.config.pixel_std)[:, None, None]
    target = model.backbone.patch_embed
    assert proj.bias is not None
    assert target.bias is not None
    target.weight.copy_(weight)
    target.bias.copy_(proj.bias - (weight * mean).sum(dim=(1, 2, 3)))
    position = net.backbone.pos_embed.clone()
    if net.backbone.cls_token is not None:
        position[:, : net.config.prefix_tokens] += net.backbone.cls_token
    model.backbone.position.copy_(position)


def _fold_attention(c: _Fold, block: Block, quant: QuantBlock, path: str) -> None:
    attn, target = block.attn, quant.attn
    heads, width = attn.n_heads, attn.head_dim
    out = c.seen[f"{path}.attn.proj"]
    centre = torch.zeros(3, heads * width)
    qkv = c.seen[f"{path}.attn.qkv"]
    # Softmax ignores what all keys have in common, and probabilities hand on what all values have.
    centre[1], centre[2] = c.centre(qkv)[heads * width : 2 * heads * width], c.centre(out)
    qkv = qkv.shifted(centre.flatten())
    ranges = torch.stack([c.ranges(peak) for peak in qkv.peak.view(3, heads, width)])
    trials = c.trials(qkv)
    rows = torch.ones(3, heads, width)

    def part(trial: Trial, which: int, head: int) -> Trial:
        """Q, K or V of one head."""
        rows = trial.rows.reshape(*trial.rows.shape[:2], 3, heads, width)[:, :, which, head]
        return Trial(rows, c.ranges(trial.ranges.view(3, heads, width)[which])[head])

    for head in range(heads):
        q, k = search_query_key_scales(
            [(part(trial, 0, head), part(trial, 1, head)) for trial in trials],
            (ranges[0, head], ranges[1, head]),
            c.alphas,
            c.ends,
        )
        v = search_scales(
            [part(trial, 2, head) for trial in trials], ranges[2, head], None, c.alphas[-1:], c.ends
        )
        for index, (name, found) in enumerate((("q", q), ("k", k), ("v", v))):
            c.report.scales[f"{path}.attn.{name}{head}"] = found
            rows[index, head] = found.scales
    target.score_factor.mul_((rows[0] * rows[1])[:, :1, None])

    norm = c.seen[f"{path}.norm1"]
    middle = c.centre(norm)
    s = c.search(f"{path}.norm1", norm.shifted(middle), attn.qkv.weight)
    _set_norm(quant.norm1, block.norm1.weight, block.norm1.bias - middle, s)
    target.qkv.weight.copy_(attn.qkv.weight * s / rows.view(-1, 1))
    bias = attn.qkv.bias + attn.qkv.weight @ middle - centre.flatten()
    target.qkv.bias.copy_(bias / rows.view(-1))

    s = c.search(f"{path}.attn.out", out.shifted(centre[2]), attn.proj.weight)
    target.value_factor.copy_((rows[2] / s.view(heads, width))[:, None, :])
    target.proj.weight.copy_(attn.proj.weight * s)
    target.proj.bias.copy_(attn.proj.bias + attn.proj.weight @ centre[2])


def _fold_mlp(c: _Fold, block: Block, quant: QuantBlock, path: str) -> None:
    mlp, target = block.mlp, quant.mlp
    assert isinstance(mlp, Mlp)
    assert isinstance(target, QuantMlp)
    norm = c.seen[f"{path}.norm2"]
    middle = c.centre(norm)
    s = c.search(f"{path}.norm2", norm.shifted(middle), mlp.fc1.weight)
    _set_norm(quant.norm2, block.norm2.weight, block.norm2.bias - middle, s)
    target.fc1.weight.copy_(mlp.fc1.weight * s)
    target.fc1.bias.copy_(mlp.fc1.bias + mlp.fc1.weight @ middle)

    hidden = c.seen[f"{path}.mlp.fc2"].on(HIDDEN_ZERO_POINT)
    s = c.search(f"{path}.mlp.hidden", hidden, mlp.fc2.weight).clamp(min=LEAST_HIDDEN_SCALE)
    target.hidden_factor.copy_(1 / s)
    target.fc2.weight.copy_(mlp.fc2.weight * s)
    target.fc2.bias.copy_(mlp.fc2.bias)


def _fold_moe(c: _Fold, block: Block, quant: QuantBlock, path: str) -> None:
    mlp, target = block.mlp, quant.mlp
    assert isinstance(mlp, MoeMlp)
    assert isinstance(target, QuantMoeMlp)
    experts = mlp.experts
    norm = c.seen[f"{path}.norm2"]
    middle = c.centre(norm)
    routers, bias = _routers(c.net, mlp)
    first = _flat(experts.htoh4.weight)

    def quantize_expert(weight: Tensor) -> Tensor:
        bits = c.model.expert_bits
        return quantize_weight(weight) if bits == 8 else quantize_clipped(weight, bits)

    def quantize_readers(weight: Tensor) -> Tensor:
        return torch.cat((quantize_expert(weight[: len(first)]), quantize_weight(weight[len(first) :])))

    # Gates are few rows, but routing hangs on them: they count as much as all experts together.
    gates = _flat(routers)
    balance = (norm.rows @ first.T).norm() / (norm.rows @ gates.T).norm().clamp(min=1e-6)
    readers = torch.cat((first, gates * balance))
    s = c.search(f"{path}.norm2", norm.shifted(middle), readers, quantize_readers)
    _set_norm(quant.norm2, block.norm2.weight, block.norm2.bias - middle, s)
    target.gate.weight.copy_(gates * s)
    target.gate_bias.copy_(bias + routers @ middle)
    target.htoh4.weight.copy_(first * s)
    fit_clip(target.htoh4)
    target.htoh4.bias.copy_(experts.htoh4.bias.flatten() + first @ middle)

    weights = []
    for expert in range(mlp.n_experts):
        hidden = c.seen[f"{path}.mlp.experts.h4toh.{expert}"]
        if hidden.count < MIN_EXPERT_TOKENS:
            hidden = Samples(len(norm.rows))
            hidden.add(experts.activation(experts.htoh4(norm.rows, expert)))
        weight = experts.h4toh.weight[expert]
        s = c.search(f"{path}.mlp.hidden{expert}", hidden.on(HIDDEN_ZERO_POINT), weight, quantize_expert)
        s = s.clamp(min=LEAST_HIDDEN_SCALE)
        target.hidden_factor[expert] = 1 / s
        weights.append(weight * s)
    target.h4toh.weight.copy_(torch.cat(weights))
    fit_clip(target.h4toh)
    target.h4toh.bias.copy_(experts.h4toh.bias.flatten())


def _routers(net: M3ViT, mlp: MoeMlp) -> tuple[Tensor, Tensor]:
    """Router weights (gates, experts, d) and biases (tasks, experts); a task's embedding becomes a bias."""
    tasks, d_model = len(net.config.tasks), net.config.d_model
    if isinstance(mlp.gate, Gate):
        shared = mlp.gate.w_gate.T
        embeddings = [net.backbone.task_embedding(task) for task in range(tasks)]
        bias = torch.stack([shared[:, d_model:] @ e for e in embeddings if e is not None])
        return shared[None, :, :d_model], bias
    assert isinstance(mlp.gate, torch.nn.ModuleList)
    weights = [gate.w_gate.T for gate in mlp.gate if isinstance(gate, Gate)]
    return torch.stack(weights), torch.zeros(tasks, mlp.n_experts)


def _fold_heads(c: _Fold) -> None:
    """The decoders' norms differ in gamma and beta only: these move into the heads; one norm serves all."""
    names = [task.name for task in c.net.config.device_tasks]
    if not names:
        return
    xhat = Samples.joined([c.seen[f"decoders.{task}.norm"] for task in names])
    centre = c.centre(xhat)
    decoders = [c.net.decoder(task) for task in names]
    weights = [d.head.weight * d.norm.weight for d in decoders]
    s = c.search("final_norm", xhat.shifted(centre), torch.cat(weights))
    _set_norm(c.model.final_norm, torch.ones_like(s), -centre, s)
    for task, decoder, weight in zip(names, decoders, weights, strict=True):
        target = c.model.decoder(task).head
        target.weight.copy_(weight * s)
        target.bias.copy_(decoder.head.bias + decoder.head.weight @ decoder.norm.bias + weight @ centre)
