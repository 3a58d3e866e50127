# SPDX-License-Identifier: Apache-2.0
"""How a network is quantized after training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from quant_models.network.config import ConfigError

Scales = Literal["channel", "tensor"]


@dataclass(frozen=True, slots=True)
class Recipe:
    """What `quant_models.quantization.fold.fake_quantize` does beyond rounding.

    scales: "channel" searches a folded scale per channel of every int8 activation; "tensor" is the plain
        baseline, one scale max |x| / 127 per tensor (Q, K, V and every expert's hidden values are tensors).
        Weights have one scale per output channel either way.
    gptq: round weights so that their errors compensate each other (`gptq.py`), not to nearest.
    expert_bits: width of the experts' weights, 8 or 4; all other weights have 8 bits.

    Raises:
        ConfigError: a value that does not exist.
    """

    scales: Scales = "channel"
    gptq: bool = False
    expert_bits: int = 8

    def __post_init__(self) -> None:
        if self.expert_bits not in (8, 4):
            raise ConfigError(f"expert_bits = {self.expert_bits}, must be 8 or 4")
        if self.scales not in get_args(Scales):
            raise ConfigError(f"scales = {self.scales!r}, expected one of {', '.join(get_args(Scales))}")


DEFAULT = Recipe()
