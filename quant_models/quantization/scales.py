# SPDX-License-Identifier: Apache-2.0
"""Per-channel activation scales s = range^alpha, alpha searched per tensor.

A scale vector is folded into its surroundings: the producer emits x / s on the int8 grid, the readers'
weights become W diag(s), so the product is unchanged and no multiplication is left at run time (SmoothQuant,
Xiao et al. 2023, with the exponent searched as in AWQ, Lin et al. 2023). alpha = 0 is one scale for the
tensor, alpha = 1 gives every channel its own full range at the expense of the weights' resolution.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

INT8_MAX = 127
ALPHAS = tuple(i / 10 for i in range(11))
CLIPS = (1.0, 0.95, 0.9)  # how far below the largest value the grid may end


@dataclass(frozen=True)
class ChannelScales:
    """`scales` (channels,) take a tensor to int8; `alpha` is the exponent; `snr_db` the readers' SNR."""

    scales: Tensor
    alpha: float
    snr_db: float
    clip: float = 1.0


def channel_range(x: Tensor) -> Tensor:
    """max |x| per channel of (tokens, channels); silent channels count as a thousandth of the loudest."""
    ranges = x.abs().amax(dim=0)
    return ranges.clamp(min=max(float(ranges.max()) * 1e-3, 1e-6))


def scales_for(ranges: Tensor, alpha: float) -> Tensor:
    """range^alpha, times the one factor with which nothing clips: max(range / s) = 127."""
    shape = ranges**alpha
    return shape * float((ranges / shape).max()) / INT8_MAX


def quantize_activation(x: Tensor) -> Tensor:
    """Round and clamp a tensor that is already divided by its scales to int8 values (kept as float)."""
    return x.round().clamp(-INT8_MAX - 1, INT8_MAX)


def quantize_weight(w: Tensor) -> Tensor:
    """Fake-quantize (..., out, in) to +-127 per output channel, the range of the weight quantizer."""
    scale = w.abs().amax(dim=-1, keepdim=True).clamp(min=1e-12) / INT8_MAX
    return (w / scale).round() * scale


def power(x: Tensor) -> float:
    """|x|^2, added up in float64."""
    return float(x.detach().square().sum(dtype=torch.float64))


def snr_db(reference: Tensor, approximation: Tensor, signal: float | None = None) -> float:
    """10 log10(|reference|^2 / |reference - approximation|^2), capped at 200 dB.

    signal: `power(reference)`, from who compares with it more than once.
    """
    noise = power(reference - approximation)
    signal = power(reference) if signal is None else signal
    if signal == 0:
        return 200.0 if noise == 0 else 0.0
    return min(200.0, 10 * torch.log10(torch.tensor(signal / max(noise, 1e-300), dtype=torch.float64)).item())


def search_scales(
    x: Tensor,
    weight: Tensor,
    ranges: Tensor | None = None,
    alphas: Sequence[float] = ALPHAS,
    clips: Sequence[float] = CLIPS,
    quantize: Callable[[Tensor], Tensor] = quantize_weight,
) -> ChannelScales:
    """The alpha, then the clip, with which the readers' quantized product is closest to the float one.

    Args:
        x: calibration samples (tokens, channels) of one activation tensor.
        weight: all its readers' weights stacked, (outputs, channels). A row counts by its square.
        ranges: max |x| per channel, where more is known of it than the samples tell.
        quantize: fake-quantizes the readers' weights as the model will.
    """
    ranges = channel_range(x) if ranges is None else ranges
    exact = x @ weight.T
    signal = power(exact)

    def evaluate(alpha: float, clip: float) -> ChannelScales:
        s = scales_for(ranges, alpha) * clip
        product = quantize_activation(x / s) @ quantize(weight * s).T
        return ChannelScales(s, alpha, snr_db(exact, product, signal), clip)

    alpha = max((evaluate(alpha, 1.0) for alpha in alphas), key=lambda found: found.snr_db).alpha
    return max((evaluate(alpha, clip) for clip in clips), key=lambda found: found.snr_db)


def search_query_key_scales(
    q: Tensor,
    k: Tensor,
    ranges: tuple[Tensor, Tensor] | None = None,
    alphas: Sequence[float] = ALPHAS,
) -> tuple[ChannelScales, ChannelScales]:
    """Scales of one head's Q and K with s_q * s_k the same for every channel.

    With e = (range_q / range_k)^(alpha / 2): s_q is proportional to e and s_k to 1 / e, so the scores need a
    single multiplier. The search compares the scores of all pairs of samples.

    Args:
        q, k: calibration samples (images, tokens, head_dim).
        ranges: max |q| and max |k| per channel, where more is known of them than the samples tell.
    """
    range_q, range_k = ranges or (channel_range(q.flatten(0, 1)), channel_range(k.flatten(0, 1)))
    exact = q @ k.transpose(-2, -1)
    signal = power(exact)
    best: tuple[ChannelScales, ChannelScales] | None = None
    for alpha in alphas:
        e = (range_q / range_k) ** (alpha / 2)
        s_q = e * float((range_q / e).max()) / INT8_MAX
        s_k = float((range_k * e).max()) / INT8_MAX / e
        scores = (quantize_activation(q / s_q) * s_q) @ (quantize_activation(k / s_k) * s_k).transpose(-2, -1)
        quality = snr_db(exact, scores, signal)
        if best is None or quality > best[0].snr_db:
            best = ChannelScales(s_q, alpha, quality), ChannelScales(s_k, alpha, quality)
    assert best is not None, "no alpha given"
    return best
