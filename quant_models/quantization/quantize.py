# SPDX-License-Identifier: Apache-2.0
"""Float network -> W8A8 integer model: calibrate, fake-quantize it in Brevitas, export QONNX, lower."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from peritus.frontends.qonnx import lower
from peritus.ir import QuantModel
from peritus.tail import HostTail
from quant_models.network.config import ConfigError, M3ViTConfig
from quant_models.network.model import M3ViT
from quant_models.quantization.export import to_qonnx
from quant_models.quantization.fake_quant import QuantM3ViT
from quant_models.quantization.fold import fake_quantize
from quant_models.quantization.recipe import DEFAULT, Recipe

DISPLAYED = (
    *(
        "image_height",
        "image_width",
        "patch_size",
        "d_model",
        "n_layers",
        "n_heads",
        "head_dim",
        "mlp_hidden",
    ),
    *("expert_hidden", "n_experts", "top_k", "gate"),
)


def quantize(
    net: M3ViT,
    calibration_images: Tensor | npt.NDArray[np.uint8],
    provenance: str | None = None,
    recipe: Recipe = DEFAULT,
) -> QuantModel:
    """Quantize a network after training.

    Args:
        net: the float network.
        calibration_images: several images that look like those to come, as uint8 (N, H, W, 3) or as float
            (N, 3, H, W) with pixels k/256. Activations on other images clip where these stay small: 64 or
            more are worth their time.
        provenance: where the weights come from. None: what the network itself says.
        recipe: how; the default searches scales and rounds to nearest, 8 bits.
    Raises:
        ConfigError: another network, or images of another shape or type than the network's.
        GraphError: the integer model would break a limit of the integer graph.
    """
    if not isinstance(net, M3ViT):
        raise ConfigError(
            f"the network is a {type(net).__name__}, expected an M3ViT; of a plain ViT's state dict, "
            "quant_models.checkpoints.load_checkpoint makes one (names of timm, DeiT, DINOv2, Hugging Face)"
        )
    images = to_float(calibration_images, net.config)
    model, _ = fake_quantize(net, images, recipe)
    return integer_model(model, net.provenance if provenance is None else provenance, net.tail)


def integer_model(model: QuantM3ViT, provenance: str = "", tail: HostTail | None = None) -> QuantModel:
    """Export a fake-quantized model to QONNX and lower it; GraphError as `quantize`."""
    values = asdict(model.config)
    return QuantModel(
        model.config.name, lower(to_qonnx(model)), provenance, {key: values[key] for key in DISPLAYED}, tail
    )


def to_float(images: Tensor | npt.NDArray[np.uint8], config: M3ViTConfig) -> Tensor:
    """Images as the float network reads them: (N, C, H, W), pixels k/256."""
    shape = (config.in_channels, config.image_height, config.image_width)
    if isinstance(images, np.ndarray):
        if images.dtype != np.uint8:
            raise ConfigError(
                f"images are {images.dtype}, expected uint8 (N, H, W, C) or a float tensor (N, C, H, W)"
            )
        images = torch.from_numpy(images).movedim(-1, 1).float() / 256
    if images.ndim != 4 or tuple(images.shape[1:]) != shape or len(images) == 0:
        raise ConfigError(
            f"images have shape {tuple(images.shape)}, expected (at least 1, {', '.join(map(str, shape))})"
        )
    return images


def to_uint8(images: Tensor) -> npt.NDArray[np.uint8]:
    """The inverse of `to_float`: (N, C, H, W) with pixels k/256 to (N, H, W, C)."""
    return np.asarray((images * 256).round().clamp(0, 255).to(torch.uint8).movedim(1, -1).numpy())
