# SPDX-License-Identifier: Apache-2.0
"""What others published of boards that they measured; None where their text does not say."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Peer:
    """A published design. arithmetic: of weights and activations. gops_per_watt: of the whole board."""

    name: str
    network: str
    device: str
    arithmetic: str
    milliseconds: float | None
    frames_per_second: float | None
    gops_per_watt: float | None
    source: str


PEERS = (
    Peer(
        "Edge-MoE", "M3ViT", "ZCU102, 300 MHz", "16 and 32 bit", 34.64, None, None,
        "ICCAD 2023, arXiv 2305.18691",
    ),
    Peer(
        "UbiMoE", "M3ViT", "ZCU102, 300 MHz", "16 and 32 bit", 25.76, None, None,
        "ISCAS 2025, arXiv 2502.05602",
    ),
    Peer("CoQMoE", "M3ViT", "ZCU102, 300 MHz", "int8", 6.47, 155.0, None, "arXiv 2506.08496"),
    Peer(
        "EfficientViT accelerator", "EfficientViT", "ZCU102, 200 MHz", "int8", None, None, 105.1,
        "ISCAS 2024, arXiv 2403.20230",
    ),
)  # fmt: skip
