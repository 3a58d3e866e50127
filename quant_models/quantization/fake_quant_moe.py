# SPDX-License-Identifier: Apache-2.0
"""The quantized mixture of experts: Brevitas layers in PyTorch, one custom operator in an exported graph."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from peritus.frontends.moe_format import DOMAIN, MOE, VERSION
from peritus.ir.formats import GELU_SCALE, LOGIT_SCALE
from peritus.reference import HIDDEN_ZERO_POINT
from quant_models.network.activation import ACTIVATIONS
from quant_models.network.config import M3ViTConfig
from quant_models.network.moe import route
from quant_models.quantization.quantizers import grid, int8_hidden, quant_linear, weight_of


def per_expert(rows: Tensor, experts: int) -> Tensor:
    """(experts * n, ...) -> (experts, n, ...)."""
    return rows.reshape(experts, -1, *rows.shape[1:])


class QuantMoeMlp(nn.Module):
    """Top-k experts on int8 tokens; each expert's contribution is rounded to the residual grid by itself.

    The experts' weights are stored as the rows of two linear layers, (E * hidden, d) and (E * d, hidden); the
    routers' as one of (gates * E, d), with one gate per task or a single one. gate_bias (tasks, E): what the
    mean of the tokens adds, and a task-conditioned gate's embedding. hidden_factor (E, hidden):
    1 / s_hidden. expert_bits: of the experts' weights, 8 or 4; the router's have 8.
    """

    gate_bias: Tensor
    hidden_factor: Tensor

    def __init__(self, config: M3ViTConfig, residual_scale: float, expert_bits: int = 8) -> None:
        super().__init__()
        self.config, self.residual_scale = config, residual_scale
        self.last_logits = torch.zeros(0)
        experts, hidden, d_model = config.n_experts, config.expert_hidden, config.d_model
        self.n_gates = len(config.tasks) if config.gate == "multi_gate" else 1
        self.gate = quant_linear(d_model, self.n_gates * experts, bias=False)
        self.register_buffer("gate_bias", torch.zeros(len(config.tasks), experts))
        self.logit_quant = grid(16, LOGIT_SCALE)
        self.htoh4 = quant_linear(d_model, experts * hidden, bits=expert_bits)
        self.activation = ACTIVATIONS[config.activation]
        self.pre_quant, self.activation_quant = grid(16, GELU_SCALE), grid(16, GELU_SCALE)
        self.register_buffer("hidden_factor", torch.ones(experts, hidden))
        self.hidden_quant = int8_hidden()
        self.h4toh = quant_linear(hidden, experts * d_model, bits=expert_bits)
        self.contribution_quant = grid(16, residual_scale)

    def forward(self, x: Tensor, task: Tensor) -> Tensor:
        """(B, N, d) int8 values, int64 scalar -> (B, N, d) on the residual grid."""
        logits = self.logits(x, task)
        self.last_logits = logits  # for training by imitation
        experts = self.config.n_experts
        w1 = per_expert(weight_of(self.htoh4), experts)
        b1 = per_expert(self.htoh4.bias, experts)
        w2 = per_expert(weight_of(self.h4toh), experts)
        b2 = per_expert(self.h4toh.bias, experts)
        if torch.compiler.is_exporting():
            # Experts' token counts depend on the data, which a traced graph cannot express.
            out: Tensor = torch.onnx.ops.symbolic(
                f"{DOMAIN}::{MOE}",
                (x, logits, w1, b1, self.hidden_factor, w2, b2),
                {
                    "top_k": self.config.top_k,
                    "residual_scale": self.residual_scale,
                    "activation": self.config.activation,
                    "zero_point": HIDDEN_ZERO_POINT,
                },
                dtype=x.dtype,
                shape=x.shape,
                version=VERSION,
            )
            return out
        tokens = x.flatten(0, 1)
        indices, scores = route(logits.flatten(0, 1), self.config.top_k)
        total = torch.zeros_like(tokens)
        for expert in range(experts):
            rows, slots = torch.nonzero(indices == expert, as_tuple=True)
            if not len(rows):
                continue
            hidden = self.hidden(tokens[rows], w1[expert], b1[expert], self.hidden_factor[expert])
            y = F.linear(hidden, w2[expert], b2[expert])
            total = total.index_add(0, rows, self.contribution_quant(scores[rows, slots, None] * y))
        return total.view_as(x)

    def hidden(self, x: Tensor, weight: Tensor, bias: Tensor, factor: Tensor) -> Tensor:
        """int8 hidden values (tokens, hidden) of one expert, given its first layer and its hidden_factor."""
        pre = self.pre_quant(F.linear(x, weight, bias))
        out: Tensor = self.hidden_quant(self.activation_quant(self.activation(pre)) * factor)
        return out

    def logits(self, x: Tensor, task: Tensor) -> Tensor:
        """Router logits (B, N, experts) of the task, on the router's grid."""
        weight = per_expert(weight_of(self.gate), self.n_gates)
        index = task.reshape(1)
        chosen = weight.index_select(0, index)[0] if self.n_gates > 1 else weight[0]
        logits = x @ chosen.transpose(0, 1) + self.gate_bias.index_select(0, index)[0]
        out: Tensor = self.logit_quant(logits)
        return out
