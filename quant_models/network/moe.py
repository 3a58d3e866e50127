# SPDX-License-Identifier: Apache-2.0
"""Mixture of experts of the float M³ViT: noisy top-k gates and experts, keyed as in the public M³ViT code."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from quant_models.network.activation import ACTIVATIONS
from quant_models.network.config import M3ViTConfig


def route(logits: Tensor, top_k: int) -> tuple[Tensor, Tensor]:
    """Choose experts per token.

    Args:
        logits: (tokens, experts).
    Returns:
        Indices and scores, (tokens, top_k) each, best first. Scores are the softmax over *all* experts, not
        renormalized over the chosen ones; among equal logits the lowest index wins (a stable sort; `topk`
        promises no order).
    """
    indices = torch.sort(logits, dim=-1, descending=True, stable=True).indices[:, :top_k]
    return indices, logits.softmax(dim=-1).gather(-1, indices)


class Gate(nn.Module):
    """Linear router, (tokens, d_gate) -> (tokens, experts) logits."""

    def __init__(self, d_gate: int, n_experts: int) -> None:
        super().__init__()
        self.w_gate = nn.Parameter(torch.empty(d_gate, n_experts))
        nn.init.kaiming_uniform_(self.w_gate, a=math.sqrt(5))

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.w_gate


@dataclass(frozen=True)
class Decision:
    """What a router decided for the tokens of one task, kept for the balancing losses and for comparisons.

    logits: (tokens, experts) without noise; noisy: with it; indices, scores: (tokens, top_k) of `route`.
    """

    task: int
    logits: Tensor
    noisy: Tensor
    indices: Tensor
    scores: Tensor


class ExpertLinear(nn.Module):
    """One linear layer per expert: weight (E, out, in), bias (E, out)."""

    def __init__(self, n_experts: int, in_features: int, out_features: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(n_experts, out_features, in_features))
        self.bias = nn.Parameter(torch.zeros(n_experts, out_features))
        nn.init.uniform_(self.weight, -(in_features**-0.5), in_features**-0.5)

    def forward(self, x: Tensor, expert: int) -> Tensor:
        return F.linear(x, self.weight[expert], self.bias[expert])


class Experts(nn.Module):
    """All experts' two-layer MLPs: expert(x) = h4toh(activation(htoh4 x))."""

    def __init__(self, config: M3ViTConfig) -> None:
        super().__init__()
        self.activation = ACTIVATIONS[config.activation]
        self.htoh4 = ExpertLinear(config.n_experts, config.d_model, config.expert_hidden)
        self.h4toh = ExpertLinear(config.n_experts, config.expert_hidden, config.d_model)

    def forward(self, x: Tensor, expert: int) -> Tensor:
        out: Tensor = self.h4toh(self.activation(self.htoh4(x, expert)), expert)
        return out


class MoeMlp(nn.Module):
    """Sum over the top-k experts of score * expert(x), (B, N, d) -> (B, N, d).

    `multi_gate`: `gate` holds one router per task. `task_conditioned`: one router, whose input is the token
    with the task's embedding appended.
    """

    def __init__(self, config: M3ViTConfig) -> None:
        super().__init__()
        self.n_experts, self.top_k = config.n_experts, config.top_k
        self.decisions: list[Decision] = []  # of the last pass, one per task
        self.experts = Experts(config)
        self.gate: nn.Module
        if config.gate == "multi_gate":
            self.gate = nn.ModuleList(Gate(config.d_model, config.n_experts) for _ in config.tasks)
        else:
            self.gate = Gate(config.d_model + config.task_embedding_dim, config.n_experts)

    def logits(self, x: Tensor, task: int, task_embedding: Tensor | None) -> Tensor:
        """Router logits (tokens, experts) of tokens (tokens, d)."""
        if isinstance(self.gate, nn.ModuleList):
            logits: Tensor = self.gate[task](x)
        else:
            assert task_embedding is not None
            logits = self.gate(torch.cat((x, task_embedding.expand(x.shape[0], -1)), dim=-1))
        return logits

    def decide(self, x: Tensor, task: int, task_embedding: Tensor | None) -> Decision:
        """Route tokens (tokens, d); while training with noise of standard deviation 1 / experts (M³ViT)."""
        logits = self.logits(x, task, task_embedding)
        noisy = logits + torch.randn_like(logits) / self.n_experts if self.training else logits
        return Decision(task, logits, noisy, *route(noisy, self.top_k))

    def mix(self, tokens: Tensor, indices: Tensor, scores: Tensor) -> Tensor:
        """Each expert applied to its queue of tokens (tokens, d), scaled by the scores and added up."""
        chosen = indices.flatten()
        order = chosen.argsort(stable=True)  # sorted by expert, in token order within
        rows = order // self.top_k
        counts: list[int] = chosen.bincount(minlength=self.n_experts).tolist()
        queues = torch.split(tokens.index_select(0, rows), counts)
        mixed = torch.cat([self.experts(queue, i) for i, queue in enumerate(queues) if len(queue)])
        weighted = (mixed * scores.flatten()[order, None]).to(tokens.dtype)  # autocast computes in bfloat16
        return torch.zeros_like(tokens).index_add(0, rows, weighted)

    def forward(self, x: Tensor, task: int, task_embedding: Tensor | None) -> Tensor:
        out: Tensor = self.forward_tasks(x, (task,), (task_embedding,))
        return out

    def forward_tasks(
        self, x: Tensor, tasks: Sequence[int], task_embeddings: Sequence[Tensor | None]
    ) -> Tensor:
        """Several tasks at once: x holds their streams one behind the other, (tasks * B, N, d)."""
        tokens = x.flatten(0, 1)
        self.decisions = [
            self.decide(part, task, embedding)
            for part, task, embedding in zip(tokens.chunk(len(tasks)), tasks, task_embeddings, strict=True)
        ]
        indices = torch.cat([decision.indices for decision in self.decisions])
        scores = torch.cat([decision.scores for decision in self.decisions])
        return self.mix(tokens, indices, scores).view_as(x)


class TaskRepresentation(nn.Module):
    """Embedding of a one-hot task id for a task-conditioned gate: LayerNorm(fc2(GELU(fc1 onehot)))."""

    def __init__(self, config: M3ViTConfig) -> None:
        super().__init__()
        self.n_tasks = len(config.tasks)
        self.fc1 = nn.Linear(self.n_tasks, config.task_embedding_dim)
        self.fc2 = nn.Linear(config.task_embedding_dim, config.task_embedding_dim)
        self.norm = nn.LayerNorm(config.task_embedding_dim, eps=config.layer_norm_eps)

    def forward(self, task: int) -> Tensor:
        weight = self.fc1.weight
        onehot = F.one_hot(torch.tensor(task, device=weight.device), self.n_tasks).to(weight.dtype)
        out: Tensor = self.norm(self.fc2(F.gelu(self.fc1(onehot))))
        return out
