# SPDX-License-Identifier: Apache-2.0
"""Plain vision transformers as others write them, to be imported: timm's structure and names, and options."""

from __future__ import annotations

import io
import warnings
from typing import Any, Literal

import torch
from onnx import ModelProto
from torch import Tensor, nn
from torch.nn import functional as F

D, LAYERS, HIDDEN, CLASSES, SIDE, PATCH, HEADS = 64, 2, 128, 10, 48, 16, 2
Head = Literal["class", "mean", "mean_norm", "dinov2", "distilled", "none"]


class Block(nn.Module):
    """As timm writes it; scale: with LayerScale. attention: "fused" or written out, scaled before or
    behind."""

    def __init__(self, qkv_bias: bool, scale: bool, attention: str, relu: bool) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(D, eps=1e-6), nn.LayerNorm(D, eps=1e-6)
        self.attn = nn.ModuleDict({"qkv": nn.Linear(D, 3 * D, bias=qkv_bias), "proj": nn.Linear(D, D)})
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(D, HIDDEN), "fc2": nn.Linear(HIDDEN, D)})
        if scale:
            self.ls1, self.ls2 = (nn.ParameterDict({"gamma": torch.rand(D) + 0.5}) for _ in range(2))
        self.scale, self.attention, self.relu = scale, attention, relu

    def mix(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        factor = (D // HEADS) ** -0.5
        if self.attention == "fused":
            return F.scaled_dot_product_attention(q, k, v)
        if self.attention == "before":
            return (q * factor @ k.transpose(-2, -1)).softmax(dim=-1) @ v
        return (q @ k.transpose(-2, -1) / factor**-1).softmax(dim=-1) @ v

    def forward(self, x: Tensor) -> Tensor:
        batch, tokens, _ = x.shape
        qkv = (
            self.attn["qkv"](self.norm1(x))
            .reshape(batch, tokens, 3, HEADS, D // HEADS)
            .permute(2, 0, 3, 1, 4)
        )
        mixed = self.mix(*qkv.unbind(0)).transpose(1, 2).reshape(batch, tokens, D)
        y = self.attn["proj"](mixed)
        x = x + (y * self.ls1["gamma"] if self.scale else y)
        hidden = self.mlp["fc1"](self.norm2(x))
        y = self.mlp["fc2"](F.relu(hidden) if self.relu else F.gelu(hidden))
        out: Tensor = x + (y * self.ls2["gamma"] if self.scale else y)
        return out


class Vit(nn.Module):
    """The structure of timm's VisionTransformer; its names are its state dict's.

    Args:
        head: what reads the tokens: the class token; the mean of the patches, behind or in front of the norm;
        the class token beside that mean, as DINOv2's; one head per class and distillation token, averaged;
        nothing: the normalized tokens are the output.
        prefix: class token, distillation token and registers, of which the first `placed` have positions.
    """

    def __init__(
        self,
        qkv_bias: bool = True,
        scale: bool = False,
        head: Head = "class",
        prefix: tuple[str, ...] = ("cls_token",),
        placed: int | None = None,
        channels: int = 3,
        patch: int = PATCH,
        attention: str = "fused",
        relu: bool = False,
    ) -> None:
        super().__init__()
        self.prefix, self.kind = prefix, head
        self.placed = len(prefix) if placed is None else placed
        grid = SIDE // PATCH
        self.side = grid * patch
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(channels, D, patch, patch)})
        for name in prefix:
            setattr(self, name, nn.Parameter(torch.randn(1, 4 if name == "reg_token" else 1, D)))
        places = sum(getattr(self, name).shape[1] for name in prefix[: self.placed])
        self.pos_embed = nn.Parameter(torch.randn(1, places + grid**2, D))
        self.blocks = nn.ModuleList(Block(qkv_bias, scale, attention, relu) for _ in range(LAYERS))
        norm = nn.LayerNorm(D, eps=1e-6)
        if head == "mean":
            self.fc_norm = norm
        else:
            self.norm = norm
        if head != "none":
            self.head = nn.Linear(2 * D if head == "dinov2" else D, CLASSES)
        if head == "distilled":
            self.head_dist = nn.Linear(D, CLASSES)

    def features(self, x: Tensor) -> Tensor:
        tokens = self.patch_embed["proj"](x).flatten(2).transpose(1, 2)
        first = [getattr(self, name).expand(x.shape[0], -1, -1) for name in self.prefix[: self.placed]]
        x = torch.cat((*first, tokens), dim=1) + self.pos_embed
        if self.placed < len(self.prefix):
            at = sum(part.shape[1] for part in first)
            rest = [getattr(self, name).expand(x.shape[0], -1, -1) for name in self.prefix[self.placed :]]
            x = torch.cat((x[:, :at], *rest, x[:, at:]), dim=1) if at else torch.cat((*rest, x), dim=1)
        for block in self.blocks:
            x = block(x)
        return x

    def forward(self, x: Tensor) -> Tensor:
        x = self.features(x)
        first = sum(getattr(self, name).shape[1] for name in self.prefix)
        if self.kind == "mean":
            return self.head(self.fc_norm(x[:, first:].mean(dim=1)))  # type: ignore[no-any-return]
        x = self.norm(x)
        if self.kind == "none":
            return x
        if self.kind == "distilled":
            return (self.head(x[:, 0]) + self.head_dist(x[:, 1])) / 2  # type: ignore[no-any-return]
        mean = x[:, first:].mean(dim=1)
        read = {"class": x[:, 0], "mean_norm": mean, "dinov2": torch.cat((x[:, 0], mean), dim=1)}[self.kind]
        out: Tensor = self.head(read)
        return out


def vit(**options: Any) -> Vit:
    """A network with weights that are all different."""
    torch.manual_seed(1)
    return Vit(**options).eval()


def exported(
    net: nn.Module, exporter: str = "torchscript 17", shape: tuple[int, ...] = (3, SIDE, SIDE)
) -> ModelProto:
    """As PyTorch writes it, with an open batch."""
    kind, opset = exporter.split()
    with warnings.catch_warnings(), io.BytesIO() as target:
        warnings.simplefilter("ignore")
        common: dict[str, Any] = {
            "input_names": ["image"],
            "output_names": ["out"],
            "opset_version": int(opset),
            "verbose": False,
        }
        if kind == "dynamo":
            batch = ({0: torch.export.Dim("batch")},)
            program = torch.onnx.export(
                net, (torch.zeros(2, *shape),), dynamo=True, dynamic_shapes=batch, **common
            )
            assert program is not None
            program.save(target)
        else:
            torch.onnx.export(
                net,
                (torch.zeros(1, *shape),),
                target,
                dynamo=False,
                dynamic_axes={"image": {0: "batch"}},
                **common,
            )
        return ModelProto.FromString(target.getvalue())


def hugging_face(state: dict[str, Tensor], prefix: str = "vit.") -> dict[str, Tensor]:
    """timm's names -> transformers'."""
    found: dict[str, Tensor] = {}
    tops = {
        "cls_token": f"{prefix}embeddings.cls_token",
        "dist_token": f"{prefix}embeddings.distillation_token",
        "reg_token": f"{prefix}embeddings.register_tokens",
        "pos_embed": f"{prefix}embeddings.position_embeddings",
        "norm": f"{prefix}layernorm",
        "head": "cls_classifier" if "head_dist.weight" in state else "classifier",
        "head_dist": "distillation_classifier",
        "patch_embed.proj": f"{prefix}embeddings.patch_embeddings.projection",
    }
    inner = {
        "norm1": "layernorm_before",
        "norm2": "layernorm_after",
        "attn.proj": "attention.output.dense",
        "mlp.fc1": "intermediate.dense",
        "mlp.fc2": "output.dense",
    }
    for name, value in state.items():
        stem, _, kind = name.rpartition(".")
        if name in tops:
            found[tops[name]] = value
        elif stem in tops:
            found[f"{tops[stem]}.{kind}"] = value
        else:
            _, layer, rest = stem.split(".", 2)
            at = f"{prefix}encoder.layer.{layer}."
            if rest == "attn.qkv":
                for part, rows in zip(("query", "key", "value"), value.chunk(3), strict=True):
                    found[f"{at}attention.attention.{part}.{kind}"] = rows
            elif rest in ("ls1", "ls2"):
                found[f"{at}layer_scale{rest[-1]}.lambda1"] = value
            else:
                found[f"{at}{inner[rest]}.{kind}"] = value
    return found


def normalized(images: Tensor) -> Tensor:
    """Pixels k/256 as ImageNet's networks see them."""
    mean, deviation = (torch.tensor(v).view(3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    return (images * (256 / 255) - mean) / deviation
