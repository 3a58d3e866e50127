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
from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor

from quant_models.network.noise import decibels, power

INT8_MAX = 127
ALPHAS = tuple(i / 10 for i in range(11))
# Where the grid ends, as a multiple of the largest value seen: rare values may clip, and where images differ
# others will be larger.
ENDS = (0.6, 0.7, 0.8, 0.9, 1.0, 1.15, 1.3, 1.5, 1.75, 2.0, 2.5, 3.0)


@dataclass(frozen=True)
class ChannelScales:
    """`scales` (channels,) take a tensor to int8; `alpha` is the exponent, `end` the end of the grid as a
    multiple of the largest value seen; `snr_db` the readers' SNR."""

    scales: Tensor
    alpha: float
    snr_db: float
    end: float = 1.0


class Trial(NamedTuple):
    """What scales are tried on: samples `rows` (tokens, channels), and `ranges` (channels,) = max |x| of
    other images, where there are any."""

    rows: Tensor
    ranges: Tensor


def channel_range(x: Tensor) -> Tensor:
    """max |x| per channel of (tokens, channels); silent channels count as a thousandth of the loudest."""
    ranges = x.abs().amax(dim=0)
    return ranges.clamp(min=max(float(ranges.max()) * 1e-3, 1e-6))


def scales_for(ranges: Tensor, alpha: float) -> Tensor:
    """range^alpha, times the one factor with which nothing clips: max(range / s) = 127."""
    shape = ranges**alpha
    return shape * float((ranges / shape).max()) / INT8_MAX


def rounded(x: Tensor, scales: Tensor, zero_point: int = 0) -> Tensor:
    """What int8 makes of x with these scales and the integer that is 0. In place but for its own result:
    memory bounds the search."""
    return (x / scales).round_().clamp_(-INT8_MAX - 1 - zero_point, INT8_MAX - zero_point).mul_(scales)


def quantize_weight(w: Tensor) -> Tensor:
    """Fake-quantize (..., out, in) to +-127 per output channel, the range of the weight quantizer."""
    scale = w.abs().amax(dim=-1, keepdim=True).clamp(min=1e-12) / INT8_MAX
    return (w / scale).round() * scale


def _fewer_rows(weight: Tensor) -> Tensor:
    """At most as many rows as columns, with which every product has the same power as with `weight`."""
    return weight if len(weight) <= weight.shape[1] else torch.linalg.qr(weight, mode="r").R


def search_scales(
    trials: Sequence[Trial],
    ranges: Tensor,
    weight: Tensor | None,
    alphas: Sequence[float] = ALPHAS,
    ends: Sequence[float] = ENDS,
    quantize: Callable[[Tensor], Tensor] = quantize_weight,
    zero_point: int = 0,
) -> ChannelScales:
    """The alpha and the end with which the readers' quantized product is closest to the float one.

    The errors of rows and of weights count one by one: they are independent.

    Args:
        trials: on which products are compared.
        ranges: max |x| per channel of all images, which the result is for.
        weight: all the readers' weights stacked, (outputs, channels). A row counts by its square. None: the
            tensor itself counts.
        quantize: fake-quantizes the readers' weights as the model will.
        zero_point: the integer that is 0; ranges are as of `Samples.peaks` with it.
    """
    signal = sum(power(rows if weight is None else rows @ _fewer_rows(weight).T) for rows, _ in trials)

    @cache
    def readers(alpha: float) -> tuple[Tensor | None, float]:
        """The quantized weights, and the noise of their own errors on exact rows; no `end` changes them."""
        if weight is None:
            return None, 0.0
        s = scales_for(ranges, alpha)
        quantized = quantize(weight * s) / s
        errors = _fewer_rows(quantized - weight)
        return _fewer_rows(quantized), sum(power(rows @ errors.T) for rows, _ in trials)

    @cache
    def quality(alpha: float, end: float) -> float:
        quantized, noise = readers(alpha)
        for rows, seen in trials:
            error = rounded(rows, scales_for(seen, alpha) * end, zero_point).sub_(rows)
            noise += power(error if quantized is None else error @ quantized.T)
        return decibels(signal, noise)

    alpha = max(alphas, key=lambda alpha: quality(alpha, 1.0))
    end = max(ends, key=lambda end: quality(alpha, end))
    near = [a for a in alphas if abs(a - alpha) < 0.21]
    alpha = max(near, key=lambda alpha: quality(alpha, end))
    return ChannelScales(scales_for(ranges, alpha) * end, alpha, quality(alpha, end), end)


def search_query_key_scales(
    trials: Sequence[tuple[Trial, Trial]],
    ranges: tuple[Tensor, Tensor],
    alphas: Sequence[float] = ALPHAS,
    ends: Sequence[float] = ENDS,
) -> tuple[ChannelScales, ChannelScales]:
    """Scales of one head's Q and K with s_q * s_k the same for every channel.

    With e = (range_q / range_k)^(alpha / 2): s_q is proportional to e and s_k to 1 / e, so the scores need a
    single multiplier. The search compares the scores of all pairs of samples.

    Args:
        trials: of Q and of K; rows are (images, tokens, head_dim).
        ranges: max |q| and max |k| per channel of all images.
    """
    exact = [q.rows @ k.rows.transpose(-2, -1) for q, k in trials]
    signal = sum(map(power, exact))

    def scales(range_q: Tensor, range_k: Tensor, alpha: float, end: float) -> tuple[Tensor, Tensor]:
        e = (range_q / range_k) ** (alpha / 2)
        s_q = e * float((range_q / e).max()) * end / INT8_MAX
        return s_q, float((range_k * e).max()) * end / INT8_MAX / e

    @cache
    def quality(alpha: float, end: float) -> float:
        noise = 0.0
        for (q, k), expected in zip(trials, exact, strict=True):
            s_q, s_k = scales(q.ranges, k.ranges, alpha, end)
            rounded_q, rounded_k = rounded(q.rows, s_q), rounded(k.rows, s_k)
            noise += power(expected - rounded_q @ rounded_k.transpose(-2, -1))
        return decibels(signal, noise)

    alpha = max(alphas, key=lambda alpha: quality(alpha, 1.0))
    end = max(ends, key=lambda end: quality(alpha, end))
    found = quality(alpha, end)
    s_q, s_k = scales(*ranges, alpha, end)
    return ChannelScales(s_q, alpha, found, end), ChannelScales(s_k, alpha, found, end)
