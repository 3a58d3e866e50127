# SPDX-License-Identifier: Apache-2.0
"""Quantizers for Brevitas: weights +-127 or +-7 per output channel, activations on fixed grids.

Every int8 activation has scale 1: its per-channel scales live in the producer and in the readers' weights.
The other grids are the fixed-point formats of the accelerator. Brevitas rounds half to even, the accelerator
half up.
"""

from __future__ import annotations

import brevitas.nn as qnn
import torch
from brevitas.inject.enum import RestrictValueType, ScalingImplType
from brevitas.quant import Int8ActPerTensorFloat, Int8WeightPerChannelFloat
from torch import nn


class Int8Weight(Int8WeightPerChannelFloat):  # type: ignore[misc]
    """int8 in +-127, one scale per output channel: max |w| / 127."""

    narrow_range = True


class Int4Weight(Int8WeightPerChannelFloat):  # type: ignore[misc]
    """int4 in +-7, one scale per output channel: learned clip / 7 (`clips` starts it)."""

    bit_width = 4
    narrow_range = True
    scaling_impl_type = ScalingImplType.PARAMETER
    scaling_init = 1.0


WEIGHT_QUANTIZERS = {8: Int8Weight, 4: Int4Weight}


class FixedGrid(Int8ActPerTensorFloat):  # type: ignore[misc]
    """A constant scale; bit width, sign and scale are given per layer."""

    scaling_impl_type = ScalingImplType.CONST
    restrict_scaling_type = RestrictValueType.FP


def grid(bits: int, scale: float, signed: bool = True) -> nn.Module:
    """Rounding to multiples of `scale`, clamped to a `bits`-bit integer times `scale`."""
    threshold = 2 ** (bits - 1) if signed else 2**bits - 1  # Brevitas' scale is scaling_init / threshold
    layer: nn.Module = qnn.QuantIdentity(
        act_quant=FixedGrid,
        bit_width=bits,
        signed=signed,
        narrow_range=False,
        scaling_init=torch.tensor(scale, dtype=torch.float64).mul(threshold).to(torch.float32),
        return_quant_tensor=False,
    )
    return layer


def int8() -> nn.Module:
    """The grid of every int8 activation: integers, scale 1."""
    return grid(8, 1.0)


def quant_linear(in_features: int, out_features: int, bias: bool = True, bits: int = 8) -> nn.Linear:
    """A linear layer with 8 or 4-bit weights; its bias is rounded to the accumulator's grid in lowering."""
    layer: nn.Linear = qnn.QuantLinear(
        in_features, out_features, bias=bias, weight_quant=WEIGHT_QUANTIZERS[bits]
    )
    return layer


def quant_conv(in_channels: int, out_channels: int, size: int) -> nn.Conv2d:
    """A patch convolution (stride = kernel size) with int8 weights."""
    layer: nn.Conv2d = qnn.QuantConv2d(
        in_channels, out_channels, kernel_size=size, stride=size, bias=True, weight_quant=Int8Weight
    )
    return layer


def weight_of(layer: nn.Module) -> torch.Tensor:
    """A quantized layer's fake-quantized weight (a plain tensor, also while exporting)."""
    weight = layer.quant_weight()  # type: ignore[operator]
    value: torch.Tensor = getattr(weight, "value", weight)
    return value
