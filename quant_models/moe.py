# SPDX-License-Identifier: Apache-2.0
"""Mixture of experts of the float M³ViT: noisy top-k gates and experts, keyed as in the public M³ViT code."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from quant_models.config import M3ViTConfig


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
    """Linear router, (tokens, d_gate) -> (tokens, experts) logits; noise of std 1/experts while training."""

    def __init__(self, d_gate: int, n_experts: int) -> None:
        super().__init__()
        self.w_gate = nn.Parameter(torch.empty(d_gate, n_experts))
        nn.init.kaiming_uniform_(self.w_gate, a=math.sqrt(5))

    def forward(self, x: Tensor) -> Tensor:
        logits = x @ self.w_gate
        if self.training:
            logits = logits + torch.randn_like(logits) / logits.shape[-1]
        return logits


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
    """All experts' two-layer MLPs: expert(x) = h4toh(GELU(htoh4 x))."""

    def __init__(self, config: M3ViTConfig) -> None:
        super().__init__()
        self.htoh4 = ExpertLinear(config.n_experts, config.d_model, config.expert_hidden)
        self.h4toh = ExpertLinear(config.n_experts, config.expert_hidden, config.d_model)

    def forward(self, x: Tensor, expert: int) -> Tensor:
        out: Tensor = self.h4toh(F.gelu(self.htoh4(x, expert)), expert)
        return out


class MoeMlp(nn.Module):
    """Sum over the top-k experts of score * expert(x), (B, N, d) -> (B, N, d).

    `multi_gate`: `gate` holds one router per task. `task_conditioned`: one router, whose input is the token
    with the task's embedding appended.
    """

    def __init__(self, config: M3ViTConfig) -> None:
        super().__init__()
        self.n_experts, self.top_k = config.n_experts, config.top_k
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

    def forward(self, x: Tensor, task: int, task_embedding: Tensor | None) -> Tensor:
        tokens = x.flatten(0, 1)
        indices, scores = route(self.logits(tokens, task, task_embedding), self.top_k)
        out = torch.zeros_like(tokens)
        for expert in range(self.n_experts):
            rows, slots = torch.nonzero(indices == expert, as_tuple=True)
            if len(rows):
                out = out.index_add(0, rows, scores[rows, slots, None] * self.experts(tokens[rows], expert))
        return out.view_as(x)


class TaskRepresentation(nn.Module):
    """Embedding of a one-hot task id for a task-conditioned gate: LayerNorm(fc2(GELU(fc1 onehot)))."""

    def __init__(self, config: M3ViTConfig) -> None:
        super().__init__()
        self.n_tasks = len(config.tasks)
        self.fc1 = nn.Linear(self.n_tasks, config.task_embedding_dim)
        self.fc2 = nn.Linear(config.task_embedding_dim, config.task_embedding_dim)
        self.norm = nn.LayerNorm(config.task_embedding_dim, eps=config.layer_norm_eps)

    def forward(self, task: int) -> Tensor:
        onehot = F.one_hot(torch.tensor(task), self.n_tasks).to(self.fc1.weight.dtype)
        out: Tensor = self.norm(self.fc2(F.gelu(self.fc1(onehot))))
        return out
