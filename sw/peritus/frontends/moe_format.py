# SPDX-License-Identifier: Apache-2.0
"""The custom QONNX operator for a mixture of experts: its name, and what its inputs and attributes mean.

    out = MoE(x, logits, w1, b1, hidden_factor, w2, b2; top_k, residual_scale, activation, zero_point)

| input         | shape              | meaning                                                          |
|---------------|--------------------|------------------------------------------------------------------|
| x             | (..., tokens, d)   | int8 activations times their scale                               |
| logits        | (..., tokens, E)   | router logits, quantized to the router's grid                    |
| w1, b1        | (E, H, d), (E, H)  | first expert layer, weights dequantized (outputs of Quant)       |
| hidden_factor | (E, H)             | 1 / per-channel scale of the int8 hidden values                  |
| w2, b2        | (E, d, H), (E, d)  | second expert layer, for hidden values already times their factor |

`top_k` (int): experts per token. `residual_scale` (float): grid of each expert's contribution. `activation`
(string): of peritus.reference.ACTIVATIONS; "gelu" where it is left out. `zero_point` (int): the integer that
is 0 among the hidden values, 0 where it is left out, or -64.

With score = softmax(logits) over all E, not renormalized, lowest index first among equal logits:
out = sum over the token's top_k experts of Quant16(score (w2 h + b2), residual_scale), where
h = Quant8(g hidden_factor, 1, zero_point), g = Quant16(activation(Quant16(w1 x + b1, 2^-8)), 2^-8).
"""

from __future__ import annotations

DOMAIN = "peritus.frontends.qonnx_ops"  # qonnx imports an operator's domain as a module
MOE = "MoE"
DEFAULT_ACTIVATION = "gelu"
VERSION = 1
