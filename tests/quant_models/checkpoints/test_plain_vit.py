# SPDX-License-Identifier: Apache-2.0
"""Plain vision transformers by the names of timm, DeiT, DINOv2 and Hugging Face."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="importing checkpoints needs the extra 'models'")

from torch import Tensor  # noqa: E402

import peritus  # noqa: E402
from peritus.ir import execute  # noqa: E402
from quant_models.checkpoints import ArchitectureError, Hints, Imported, load_checkpoint  # noqa: E402
from quant_models.network.init import procedural_images  # noqa: E402
from quant_models.network.noise import snr_db  # noqa: E402
from quant_models.network.weights import load_weights  # noqa: E402
from quant_models.quantization.quantize import quantize, to_uint8  # noqa: E402
from tests.quant_models.plain_vits import CLASSES, HEADS, SIDE, D, hugging_face, normalized, vit  # noqa: E402

pytestmark = pytest.mark.models

HINTS = Hints(heads=HEADS, pixels="imagenet")


def imported(state: dict[str, Tensor], folder: Path, hints: Hints = HINTS) -> Imported:
    torch.save(state, folder / "net.pth")
    return load_checkpoint(folder / "net.pth", None, hints)


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({}, "timm"),
        ({"scale": True}, "timm"),
        ({"qkv_bias": False}, "timm"),
        ({}, "vit."),
        ({}, "deit."),
        ({"qkv_bias": False}, ""),
        ({"prefix": (), "head": "mean"}, "timm"),
        ({"prefix": (), "head": "mean_norm"}, "timm"),
        ({"head": "mean"}, "timm"),
        ({"head": "dinov2", "scale": True}, "dinov2."),
        ({"prefix": ("cls_token", "dist_token"), "head": "distilled"}, "timm"),
        ({"prefix": ("cls_token", "dist_token"), "head": "distilled"}, "deit."),
        ({"prefix": ("cls_token", "reg_token"), "placed": 1}, "dinov2."),
        ({"prefix": ("cls_token", "reg_token"), "placed": 0}, "timm"),
        ({"prefix": ("cls_token", "reg_token"), "placed": 0, "head": "dinov2"}, "timm"),
        ({"patch": 14}, "timm"),
    ],
)
def test_the_same_network(tmp_path: Path, options: dict[str, Any], names: str) -> None:
    net = vit(**options)
    state: dict[str, Any] = net.state_dict()
    # 9 rows can be 9 patches, or 4 behind 5 other tokens.
    hints = replace(HINTS, image=(SIDE, SIDE)) if options.get("placed") == 0 else HINTS
    found = imported(state if names == "timm" else hugging_face(state, names), tmp_path, hints)
    assert not found.missing
    assert not found.unexpected
    (task,) = found.net.config.tasks
    assert (task.kind, task.channels) == ("classification", CLASSES)
    assert (task.host is None) == (options.get("head", "class") == "class")
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
        ("blocks.0.attn.q_norm.weight", r"q_norm\.weight: norms of queries and keys is not supported"),
        ("blocks.0.mlp.w12.weight", r"mlp\.w12\.weight: a gated MLP \(SwiGLU\) is not supported"),
        ("attn_pool.latent", r"attn_pool\.latent: attention in front of the classifier is not supported"),
    ],
)
def test_parts_that_the_accelerator_does_not_have(tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(ArchitectureError, match=message):
        imported({**vit().state_dict(), name: torch.zeros(1, 1, D)}, tmp_path)


def test_a_classifier_of_another_width(tmp_path: Path) -> None:
    state = {**vit().state_dict(), "head.weight": torch.zeros(CLASSES, 3 * D)}
    with pytest.raises(
        ArchitectureError,
        match=r"head\.weight has shape \(10, 192\), expected \(classes, 64\), or \(classes, 128\)",
    ):
        imported(state, tmp_path)


def test_two_norms_in_front_of_the_classifier(tmp_path: Path) -> None:
    state = {**vit().state_dict(), "fc_norm.weight": torch.ones(D), "fc_norm.bias": torch.zeros(D)}
    with pytest.raises(ArchitectureError, match=r"has norm\.weight and fc_norm\.weight, or neither"):
        imported(state, tmp_path)


def test_positions_of_no_grid(tmp_path: Path) -> None:
    state = vit().state_dict()
    del state["cls_token"]
    with pytest.raises(ArchitectureError, match="pos_embed has 10 patches in an unknown grid"):
        imported(state, tmp_path)


def test_which_tokens_have_positions_is_asked_where_it_is_open(tmp_path: Path) -> None:
    """5 prefix tokens: 14 rows may be 9 patches, or 13 or 14 that are no grid; without the registers' it is
    open."""
    net = vit(prefix=("cls_token", "reg_token"))
    state = {**net.state_dict(), "pos_embed": torch.zeros(1, 12, D)}
    with pytest.raises(
        ArchitectureError, match=r"12 rows for 5 tokens and the patches, which can be 12, 11, 7"
    ):
        imported(state, tmp_path)
    found = imported({**state, "pos_embed": torch.zeros(1, 13, D)}, tmp_path, replace(HINTS, image=(32, 96)))
    assert found.net.config.grid == (2, 6)
    assert any("4 of 5 tokens in front of the patches have no position" in note for note in found.notes)


def test_a_pooled_classifier_on_the_accelerator(tmp_path: Path) -> None:
    """Features bit for bit, the classifier on the host; what does it is said."""
    found = imported(vit(prefix=(), head="mean").state_dict(), tmp_path)
    images = procedural_images(found.net.config, 16, seed=5)
    model = quantize(found.net, images)
    photo = to_uint8(images)[0]
    expected = execute(model.graph, photo, "classes")
    assert expected.output is None
    with torch.no_grad():
        logits = found.net(images[:1], "classes").flatten()
    path = tmp_path / "net.safetensors"
    model.save(path)
    with peritus.open_device("rtl", hw="nano") as device:
        device.load(peritus.compile(peritus.load_model(path), hw="nano"))
        result = device.run(photo, task="classes")
    assert np.array_equal(result.raw_features, expected.features)
    assert result.outputs == {}
    assert result.dequantized().shape == (1, 1, CLASSES)
    assert snr_db(logits, torch.from_numpy(result.dequantized().flatten())) > 25
    assert result.top(1)[0][0] == str(int(logits.argmax()))
