# SPDX-License-Identifier: Apache-2.0
"""Signal and noise: how close one tensor is to another."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def power(x: Tensor) -> float:
    """|x|^2, added up in float64."""
    return float(x.detach().square().sum(dtype=torch.float64))


def snr_db(reference: Tensor, approximation: Tensor) -> float:
    """10 log10(|reference|^2 / |reference - approximation|^2), capped at 200 dB."""
    return decibels(power(reference), power(reference - approximation))


def decibels(signal: float, noise: float) -> float:
    """10 log10(signal / noise), capped at 200 dB; 0 dB where there is noise alone."""
    if signal == 0:
        return 200.0 if noise == 0 else 0.0
    return min(200.0, 10 * math.log10(signal / max(noise, 1e-300)))
