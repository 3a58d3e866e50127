# SPDX-License-Identifier: Apache-2.0
"""Vision transformers as somebody builds them from stock Brevitas layers, with the weights of ours, exported.

Nothing of `quant_models.quantization` is used: layers and quantizers are Brevitas' own, calibrated by its own
`calibration_mode`; LayerNorm, GELU and softmax are PyTorch's, in float between quantizers.
"""

from __future__ import annotations

import contextlib
import io
import warnings
from dataclasses import dataclass
from typing import Any, Literal

import brevitas.nn as qnn
import torch
from brevitas.export import export_qonnx
from brevitas.graph.calibrate import calibration_mode
from brevitas.quant import (
    Int8ActPerTensorFloat,
    Int8WeightPerChannelFloat,
    Int8WeightPerTensorFloat,
    Uint8ActPerTensorFloat,
    Uint8ActPerTensorFloatMaxInit,
)
from onnx import ModelProto
from torch import Tensor, nn

from quant_models.network.layers import Mlp, depth_to_space
from quant_models.network.model import Block, M3ViT

WEIGHTS = {"channel": Int8WeightPerChannelFloat, "tensor": Int8WeightPerTensorFloat}


@dataclass(frozen=True)
class Style:
    """How somebody writes it.

    attention: one layer for Q, K and V, reshaped, or quantized at once and split by `chunk`; three layers; or
    Brevitas' own module (which its exporter knows with `dynamo=False` only). weights: one scale per output
    channel or per layer. stream_bits: of quantizers of the residual stream and of the layers that are added
    to it, None: float. probability_bits: of the softmax's. narrow: activations without -128. relu: in place
    of GELU, with unsigned hidden values of 7 bits.
    """

    attention: Literal["reshape", "chunk", "separate", "mha"] = "reshape"
    weights: Literal["channel", "tensor"] = "channel"
    stream_bits: int | None = None
    probability_bits: int = 8
    narrow: bool = False
    relu: bool = False

    def signed(self, bits: int | None = 8) -> nn.Module:
        """A quantizer of an activation with one scale; None: nothing."""
        if bits is None:
            return nn.Identity()
        return qnn.QuantIdentity(act_quant=Int8ActPerTensorFloat, bit_width=bits, narrow_range=self.narrow)  # type: ignore[no-any-return]

    def unsigned(self, bits: int) -> nn.Module:
        """The same, without sign."""
        return qnn.QuantIdentity(act_quant=Uint8ActPerTensorFloat, bit_width=bits)  # type: ignore[no-any-return]

    def linear(self, source: nn.Linear, rows: slice = slice(None)) -> nn.Linear:
        """A quantized layer with weights of a float one."""
        weight, bias = source.weight[rows], source.bias[rows]
        layer: nn.Linear = qnn.QuantLinear(
            weight.shape[1], weight.shape[0], bias=True, weight_quant=WEIGHTS[self.weights]
        )
        layer.weight.data.copy_(weight)
        layer.bias.data.copy_(bias)
        return layer


class StockAttention(nn.Module):
    def __init__(self, style: Style, block: Block) -> None:
        super().__init__()
        attn = block.attn
        self.kind, self.heads, self.width = style.attention, attn.n_heads, attn.head_dim
        d = attn.qkv.in_features
        if self.kind == "separate":
            self.parts = nn.ModuleList(style.linear(attn.qkv, slice(i * d, (i + 1) * d)) for i in range(3))
        else:
            self.qkv = style.linear(attn.qkv)
        self.joint_quant = style.signed(8 if self.kind == "chunk" else None)
        self.quants = nn.ModuleList(style.signed(None if self.kind == "chunk" else 8) for _ in range(3))
        self.probability_quant = style.unsigned(style.probability_bits)
        self.out_quant = style.signed()
        self.proj = style.linear(attn.proj)

    def forward(self, x: Tensor) -> Tensor:
        batch, tokens, d = x.shape
        scale = self.width**-0.5
        if self.kind == "reshape":  # as timm: Q is scaled before it is quantized
            qkv = self.qkv(x).reshape(batch, tokens, 3, self.heads, self.width).permute(2, 0, 3, 1, 4)
            q, k, v = qkv.unbind(0)
            q, scale = q * scale, 1.0
        else:
            joint = [part(x) for part in self.parts] if self.kind == "separate" else None
            parts = joint or self.joint_quant(self.qkv(x)).chunk(3, dim=-1)
            q, k, v = (y.view(batch, tokens, self.heads, self.width).transpose(1, 2) for y in parts)
        q, k, v = (quant(y) for quant, y in zip(self.quants, (q, k, v), strict=True))
        scores = q @ k.transpose(-2, -1)
        scores = scores * scale if scale != 1.0 else scores
        p = self.probability_quant(scores.softmax(dim=-1))
        out: Tensor = self.proj(self.out_quant((p @ v).transpose(1, 2).reshape(batch, tokens, d)))
        return out


class BrevitasAttention(nn.Module):
    """Brevitas' own module, with its own default quantizers: biases have 32 bits."""

    def __init__(self, block: Block) -> None:
        super().__init__()
        attn = block.attn
        self.mha = qnn.QuantMultiheadAttention(attn.qkv.in_features, attn.n_heads, batch_first=True)
        for target, source in ((self.mha.in_proj, attn.qkv), (self.mha.out_proj, attn.proj)):
            target.weight.data.copy_(source.weight)
            target.bias.data.copy_(source.bias)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.mha(x, x, x)[0]
        return out


class StockBlock(nn.Module):
    def __init__(self, style: Style, block: Block) -> None:
        super().__init__()
        assert isinstance(block.mlp, Mlp)
        own = style.attention == "mha"
        self.norm1, self.norm2 = block.norm1, block.norm2
        self.norm1_quant, self.norm2_quant = style.signed(None if own else 8), style.signed()
        self.attn = BrevitasAttention(block) if own else StockAttention(style, block)
        self.fc1, self.fc2 = style.linear(block.mlp.fc1), style.linear(block.mlp.fc2)
        self.activation = nn.ReLU() if style.relu else nn.GELU()
        self.hidden_quant = style.unsigned(7) if style.relu else style.signed()
        self.stream_quants = nn.ModuleList(style.signed(style.stream_bits) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        attended, half, hidden, whole = self.stream_quants
        x = half(x + attended(self.attn(self.norm1_quant(self.norm1(x)))))
        y = self.hidden_quant(self.activation(self.fc1(self.norm2_quant(self.norm2(x)))))
        out: Tensor = whole(x + hidden(self.fc2(y)))
        return out


class StockViT(nn.Module):
    """The network of a float one without experts: one output per task, of maps or of the class token."""

    def __init__(self, net: M3ViT, style: Style) -> None:
        super().__init__()
        config, backbone = net.config, net.backbone
        proj, size = backbone.patch_embed.proj, config.patch_size
        self.image_quant = qnn.QuantIdentity(
            act_quant=Uint8ActPerTensorFloatMaxInit, min_val=0.0, max_val=255 / 256
        )
        self.patch = qnn.QuantConv2d(
            3, config.d_model, size, stride=size, bias=True, weight_quant=WEIGHTS[style.weights]
        )
        self.patch.weight.data.copy_(proj.weight)
        self.patch.bias.data.copy_(proj.bias)
        self.cls_token, self.pos_embed = backbone.cls_token, backbone.pos_embed
        self.stream_quant = style.signed(style.stream_bits)
        self.blocks = nn.ModuleList(StockBlock(style, block) for block in backbone.layers)
        decoders = [net.decoder(task.name) for task in config.tasks]
        self.norms = nn.ModuleList(decoder.norm for decoder in decoders)
        self.norm_quants = nn.ModuleList(style.signed() for _ in decoders)
        self.heads = nn.ModuleList(style.linear(decoder.head) for decoder in decoders)
        self.shapes = [decoder.shape for decoder in decoders]

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        x = self.patch(self.image_quant(image)).flatten(2).transpose(1, 2)
        x = torch.cat((self.cls_token.expand(x.shape[0], -1, -1), x), dim=1)
        x = self.stream_quant(x + self.pos_embed)
        for block in self.blocks:
            x = block(x)
        return tuple(self._output(index, x) for index in range(len(self.shapes)))

    def _output(self, index: int, x: Tensor) -> Tensor:
        tokens, shape = self.norm_quants[index](self.norms[index](x)), self.shapes[index]
        if shape.classifies:
            logits: Tensor = self.heads[index](tokens[:, 0])
            return logits
        return depth_to_space(self.heads[index](tokens[:, 1:]), shape.grid, shape.upscale)


def exported_stock(net: M3ViT, images: Tensor, style: Style | None = None, **options: Any) -> ModelProto:
    """`net` rebuilt from stock layers, calibrated on images (N, 3, H, W) and exported.

    options: of `export_qonnx`. The outputs are named after the tasks.
    """
    style = style or Style()
    model = StockViT(net, style).eval()
    with torch.no_grad(), calibration_mode(model):
        for image in images:
            model(image[None])
    if style.attention == "mha":
        options = {"dynamo": False, "opset_version": 20, **options}
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        file: ModelProto = export_qonnx(
            model,
            args=torch.zeros_like(images[:1]),
            input_names=["image"],
            output_names=list(net.config.task_names),
            **options,
        )
    return file
