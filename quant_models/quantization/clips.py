# SPDX-License-Identifier: Apache-2.0
"""Where a coarse weight grid ends: the clip with the smallest squared error, per output channel.

With 15 steps for a whole row, its largest weight is no good measure of the step: clipping it leaves finer
steps to all the others. At 8 bits the gain is negligible, and max |w| stays the clip.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

CANDIDATES = tuple(i / 20 for i in range(6, 21))  # of max |w|


def quantize_clipped(w: Tensor, bits: int) -> Tensor:
    """Fake-quantize (..., out, in) to a narrow `bits`-bit grid, clipped where `best_clip` says."""
    return _rounded(w, best_clip(w, bits), bits)


def best_clip(w: Tensor, bits: int) -> Tensor:
    """The clip (..., out, 1) of weights (..., out, in) with the smallest squared error of each row."""
    largest = w.abs().amax(dim=-1, keepdim=True).clamp(min=1e-12)
    best, smallest = largest, torch.full_like(largest, torch.inf)
    for candidate in CANDIDATES:
        clip = largest * candidate
        error = (_rounded(w, clip, bits) - w).square().sum(dim=-1, keepdim=True)
        best = torch.where(error < smallest, clip, best)
        smallest = torch.minimum(error, smallest)
    return best


@torch.no_grad()
def fit_clip(layer: nn.Linear) -> None:
    """Set the learned clips of a 4-bit layer to the best ones for its weights; other layers have none."""
    learned = getattr(layer.weight_quant.tensor_quant.scaling_impl, "value", None)  # type: ignore[union-attr]
    if isinstance(learned, nn.Parameter):
        learned.copy_(best_clip(layer.weight, 4))


def _rounded(w: Tensor, clip: Tensor, bits: int) -> Tensor:
    limit = (1 << (bits - 1)) - 1
    step = clip / limit
    return (w / step).round().clamp(-limit, limit) * step
