# SPDX-License-Identifier: Apache-2.0
"""Small exported networks: stock Brevitas layers, and M3ViT's experts."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnx import ModelProto

SHAPE = {"d_model": 32, "n_heads": 2, "head_dim": 16, "mlp_hidden": 64, "expert_hidden": 32}


def exported(name: str) -> ModelProto:
    """A fresh copy of a QONNX network, d = 32, 8 patches and a class token.

    encoder: one pre-LN encoder block of stock Brevitas layers. moe: one block with four experts, top-2.
    m3vit: two blocks, the second with experts.
    """
    from onnx import ModelProto

    return ModelProto.FromString(_bytes(name))


@functools.cache
def _bytes(name: str) -> bytes:
    from quant_models.network.config import M3VIT_MICRO
    from quant_models.network.init import new_model, procedural_images, training_start
    from quant_models.quantization.export import to_qonnx
    from quant_models.quantization.fold import fake_quantize
    from tests.frontends.stock import Style, exported_stock

    if name == "encoder":
        config = replace(M3VIT_MICRO, **SHAPE, name=name, n_layers=1, moe_layers=())
        net = training_start(config).eval()
        return bytes(exported_stock(net, procedural_images(config, 4, seed=1), Style()).SerializeToString())
    layers = {"moe": (1, (0,)), "m3vit": (2, (1,))}
    count, experts = layers[name]
    config = replace(M3VIT_MICRO, **SHAPE, name=name, n_layers=count, moe_layers=experts)
    model, _ = fake_quantize(new_model(config), procedural_images(config, 2, seed=1))
    return bytes(to_qonnx(model).SerializeToString())


if __name__ == "__main__":  # python -m tests.finn.networks m3vit build/m3vit.onnx
    import sys
    from pathlib import Path

    Path(sys.argv[2]).write_bytes(_bytes(sys.argv[1]))
