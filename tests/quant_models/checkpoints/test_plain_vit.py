# SPDX-License-Identifier: Apache-2.0
"""Plain vision transformers by the names of timm, DeiT, DINOv2 and Hugging Face."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="importing checkpoints needs the extra 'models'")

from torch import Tensor, nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

import peritus  # noqa: E402
from peritus.ir import execute  # noqa: E402
from quant_models.checkpoints import ArchitectureError, Hints, Imported, load_checkpoint  # noqa: E402
from quant_models.network.init import procedural_images  # noqa: E402
from quant_models.network.weights import load_weights  # noqa: E402
from quant_models.quantization.quantize import quantize, to_uint8  # noqa: E402
from quant_models.quantization.scales import snr_db  # noqa: E402

pytestmark = pytest.mark.models

D, LAYERS, HIDDEN, CLASSES, SIDE, PATCH, HEADS = 64, 2, 128, 10, 48, 16, 2
HINTS = Hints(heads=HEADS, pixels="imagenet")


class Block(nn.Module):
    """As timm writes it; `scale`: with LayerScale."""

    def __init__(self, qkv_bias: bool, scale: bool) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(D, eps=1e-6), nn.LayerNorm(D, eps=1e-6)
        self.attn = nn.ModuleDict({"qkv": nn.Linear(D, 3 * D, bias=qkv_bias), "proj": nn.Linear(D, D)})
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(D, HIDDEN), "fc2": nn.Linear(HIDDEN, D)})
        if scale:
            self.ls1, self.ls2 = (nn.ParameterDict({"gamma": torch.rand(D) + 0.5}) for _ in range(2))
        self.scale = scale

    def forward(self, x: Tensor) -> Tensor:
        batch, tokens, _ = x.shape
        qkv = (
            self.attn["qkv"](self.norm1(x))
            .reshape(batch, tokens, 3, HEADS, D // HEADS)
            .permute(2, 0, 3, 1, 4)
        )
        mixed = F.scaled_dot_product_attention(*qkv).transpose(1, 2).reshape(batch, tokens, D)
        y = self.attn["proj"](mixed)
        x = x + (y * self.ls1["gamma"] if self.scale else y)
        y = self.mlp["fc2"](F.gelu(self.mlp["fc1"](self.norm2(x))))
        out: Tensor = x + (y * self.ls2["gamma"] if self.scale else y)
        return out


class Vit(nn.Module):
    """The structure of timm's VisionTransformer with a class token; its names are its state dict's."""

    def __init__(self, qkv_bias: bool = True, scale: bool = False) -> None:
        super().__init__()
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(3, D, PATCH, PATCH)})
        self.cls_token = nn.Parameter(torch.randn(1, 1, D))
        self.pos_embed = nn.Parameter(torch.randn(1, 1 + (SIDE // PATCH) ** 2, D))
        self.blocks = nn.ModuleList(Block(qkv_bias, scale) for _ in range(LAYERS))
        self.norm = nn.LayerNorm(D, eps=1e-6)
        self.head = nn.Linear(D, CLASSES)

    def features(self, x: Tensor) -> Tensor:
        tokens = self.patch_embed["proj"](x).flatten(2).transpose(1, 2)
        x = torch.cat((self.cls_token.expand(len(x), -1, -1), tokens), dim=1) + self.pos_embed
        for block in self.blocks:
            x = block(x)
        return x

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(self.norm(self.features(x))[:, 0])
        return out


def vit(**options: bool) -> Vit:
    torch.manual_seed(1)
    return Vit(**options).eval()


def hugging_face(state: dict[str, Tensor], prefix: str = "vit.") -> dict[str, Tensor]:
    """timm's names -> transformers'."""
    found: dict[str, Tensor] = {}
    tops = {
        "cls_token": f"{prefix}embeddings.cls_token",
        "pos_embed": f"{prefix}embeddings.position_embeddings",
        "norm": f"{prefix}layernorm",
        "head": "classifier",
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
            else:
                found[f"{at}{inner[rest]}.{kind}"] = value
    return found


def imported(state: dict[str, Tensor], folder: Path, hints: Hints = HINTS) -> Imported:
    torch.save(state, folder / "net.pth")
    return load_checkpoint(folder / "net.pth", None, hints)


def normalized(images: Tensor) -> Tensor:
    """Pixels k/256 as ImageNet's networks see them."""
    mean, deviation = (torch.tensor(v).view(3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    return (images * (256 / 255) - mean) / deviation


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({}, "timm"),
        ({"scale": True}, "timm"),
        ({"qkv_bias": False}, "timm"),
        ({}, "vit."),
        ({}, "deit."),
        ({"qkv_bias": False}, ""),
    ],
)
def test_the_same_network(tmp_path: Path, options: dict[str, bool], names: str) -> None:
    net = vit(**options)
    state: dict[str, Any] = net.state_dict()
    found = imported(state if names == "timm" else hugging_face(state, names), tmp_path)
    assert not found.missing
    assert not found.unexpected
    (task,) = found.net.config.tasks
    assert (task.kind, task.channels) == ("classification", CLASSES)
    images = procedural_images(found.net.config, 2, seed=5)
    with torch.no_grad():
        torch.testing.assert_close(
            found.net.features(images, task.name), net.features(normalized(images)), rtol=1e-4, atol=1e-4
        )
        torch.testing.assert_close(
            found.net(images, task.name).flatten(1), net(normalized(images)), rtol=1e-4, atol=1e-4
        )


def test_to_the_accelerator(tmp_path: Path) -> None:
    """Quantized, compiled and run on RTL: bit for bit, the best class first."""
    found = imported(vit().state_dict(), tmp_path)
    config = found.net.config
    images = procedural_images(config, 16, seed=5)
    model = quantize(found.net, images)
    photo = to_uint8(images)[0]
    expected = execute(model.graph, photo, "classes")
    with torch.no_grad():
        features, logits = found.net.features(images[:1], "classes")[0], found.net(images[:1], "classes")
    scale = model.graph.residual_scale
    assert snr_db(features, torch.from_numpy(expected.features * scale).float()) > 35
    with peritus.open_device("rtl", hw="nano") as device:
        device.load(peritus.compile(model, hw="nano"))
        result = device.run(photo, task="classes", features=True)
    assert np.array_equal(result.outputs["classes"], expected.output)
    assert np.array_equal(result.raw_features, expected.features)
    assert result.top(1)[0][0] == str(int(logits.argmax()))
    assert sum(share for _, share in result.top(CLASSES)) == pytest.approx(1)


def test_a_trained_network_by_timms_names(repository: Path, tmp_path: Path) -> None:
    """The shipped dense ViT without its maps: the same residual stream."""
    ours = load_weights(repository / "quant_models" / "trained" / "vit_tiny_dense.float16.safetensors")
    state = {
        name.removeprefix("backbone."): value
        for name, value in ours.state_dict().items()
        if name.startswith("backbone.")
    }
    state["norm.weight"], state["norm.bias"] = torch.ones(192), torch.zeros(192)
    hints = Hints(heads=3, pixels="k256", tasks=ours.config.tasks)
    found = imported(state, tmp_path, hints)
    image = procedural_images(ours.config, 1, seed=2)
    with torch.no_grad():
        assert torch.equal(found.net.features(image, "depth"), ours.features(image, "depth"))
    assert "head of semseg" in found.net.provenance
    with pytest.raises(ArchitectureError, match="no decoders of known tasks: give --config, or --tasks"):
        imported(state, tmp_path, replace(hints, tasks=()))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("dist_token", "dist_token: a distillation token is not supported"),
        ("reg_token", "reg_token: register tokens is not supported"),
        ("blocks.0.attn.q_norm.weight", r"q_norm\.weight: norms of queries and keys is not supported"),
        ("blocks.0.mlp.w12.weight", r"mlp\.w12\.weight: a gated MLP \(SwiGLU\) is not supported"),
        ("fc_norm.weight", r"fc_norm\.weight: a mean over tokens in front of the classifier"),
    ],
)
def test_parts_that_the_accelerator_does_not_have(tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(ArchitectureError, match=message):
        imported({**vit().state_dict(), name: torch.zeros(1, 1, D)}, tmp_path)


def test_a_classifier_of_more_than_the_class_token(tmp_path: Path) -> None:
    state = {**vit().state_dict(), "head.weight": torch.zeros(CLASSES, 2 * D)}
    with pytest.raises(
        ArchitectureError, match=r"head\.weight has shape \(10, 128\), expected \(classes, 64\)"
    ):
        imported(state, tmp_path)


def test_no_class_token(tmp_path: Path) -> None:
    state = vit().state_dict()
    del state["cls_token"]
    with pytest.raises(ArchitectureError, match="no class token"):
        imported(state, tmp_path)
