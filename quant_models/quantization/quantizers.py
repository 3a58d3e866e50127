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

from peritus.reference import HIDDEN_ZERO_POINT


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


class HiddenZeroPoint(nn.Module):
    """The integer that is 0 on the grid of hidden values, in the place of Brevitas' own choices of one."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("value", torch.tensor(float(HIDDEN_ZERO_POINT)), persistent=False)

    def forward(self, x: torch.Tensor, scale: torch.Tensor, bit_width: torch.Tensor) -> torch.Tensor:
        value: torch.Tensor = self.value  # type: ignore[assignment]
        return value


class HiddenGrid(FixedGrid):
    """A grid that reaches three times as far up as down: activations are hardly ever negative."""

    zero_point_impl = HiddenZeroPoint


def grid(bits: int, scale: float, signed: bool = True, quantizer: type[FixedGrid] = FixedGrid) -> nn.Module:
    """Rounding to multiples of `scale`, clamped to a `bits`-bit integer times `scale`."""
    threshold = 2 ** (bits - 1) if signed else 2**bits - 1  # Brevitas' scale is scaling_init / threshold
    layer: nn.Module = qnn.QuantIdentity(
        act_quant=quantizer,
        bit_width=bits,
        signed=signed,
        narrow_range=False,
        scaling_init=torch.tensor(scale, dtype=torch.float64).mul(threshold).to(torch.float32),
        return_quant_tensor=False,
    )
    return layer


def int8() -> nn.Module:
    """The grid of every int8 activation but hidden values: integers, scale 1."""
    return grid(8, 1.0)


def int8_hidden() -> nn.Module:
    """The grid of hidden values: int8, scale 1, zero point HIDDEN_ZERO_POINT."""
    return grid(8, 1.0, quantizer=HiddenGrid)


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
