# SPDX-License-Identifier: Apache-2.0
"""Float network -> W8A8 integer model: calibrate, fake-quantize it in Brevitas, export QONNX, lower."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from peritus.frontends.qonnx import lower
from peritus.ir import QuantModel
from peritus.tail import HostTail
from quant_models.checkpoints.variant import Hints, Pixels
from quant_models.float_onnx.module import read_module
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
    net: nn.Module,
    calibration_images: Tensor | npt.NDArray[np.uint8],
    provenance: str | None = None,
    recipe: Recipe = DEFAULT,
    pixels: Pixels | None = None,
) -> QuantModel:
    """Quantize a network after training.

    Args:
        net: the float network: an M3ViT, or any plain vision transformer
        (`quant_models.float_onnx.read_module`).
        calibration_images: several images that look like those to come, as uint8 (N, H, W, 3) or as float
            (N, 3, H, W) with pixels k/256. Activations on other images clip where these stay small: 64 or
            more are worth their time.
        provenance: where the weights come from. None: what the network itself says.
        recipe: how; the default searches scales and rounds to nearest, 8 bits.
        pixels: how pixels are scaled before a network that is no M3ViT reads them; must be said there.
    Raises:
        ConfigError: images of another shape or type than the network's.
        OnnxError: no M3ViT, and no plain vision transformer; names the node that is not understood.
        GraphError: the integer model would break a limit of the integer graph.
    """
    if not isinstance(net, M3ViT):
        sizes = tuple(calibration_images.shape)
        if len(sizes) != 4:
            raise ConfigError(f"images have shape {sizes}, expected (N, H, W, C) uint8 or (N, C, H, W) float")
        height, width, channels = (
            sizes[1:] if isinstance(calibration_images, np.ndarray) else (*sizes[2:], sizes[1])
        )
        net = read_module(net, (channels, height, width), Hints(pixels=pixels)).net
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
