# SPDX-License-Identifier: Apache-2.0
"""State dicts of plain vision transformers under the names of M³ViT: timm, DeiT, DINOv2 and Hugging Face.

A ViT with a class token, learned positions and a linear classifier of that token is an M³ViT without experts
and with one task of kind "classification". LayerScale is folded into the layer before it, and Q, K and V in
one matrix; a missing bias is zero. What else such networks may have is refused by the name of its tensor.
"""

from __future__ import annotations

import re

import torch
from torch import Tensor

from quant_models.checkpoints.errors import ArchitectureError

TASK = "classes"
# Tensors of parts that the accelerator does not have -> what they are.
REFUSED = (
    (r"(.*\.)?(dist_token|distillation_token)", "a distillation token"),
    (r"(.*\.)?(reg_token|register_tokens|embeddings\.register_tokens)", "register tokens"),
    (r".*\.(q_norm|k_norm)\.weight", "norms of queries and keys"),
    (r".*\.mlp\.(w12|w3|weights_in|weights_out|gate_proj)\.weight", "a gated MLP (SwiGLU)"),
    (r".*relative_position_bias_table", "relative positions"),
    (r"(.*\.)?fc_norm\.weight", "a mean over tokens in front of the classifier"),
    (r"(.*\.)?(norm_pre|pre_layrnorm)\.weight", "a norm in front of the first block"),
)
_HUGGING_FACE = {
    "embeddings.cls_token": "cls_token",
    "embeddings.position_embeddings": "pos_embed",
    "embeddings.patch_embeddings.projection": "patch_embed.proj",
    "layernorm": "norm",
    "classifier": "head",
    "cls_classifier": "head",
}
_HUGGING_FACE_LAYER = {
    "layernorm_before": "norm1",
    "layernorm_after": "norm2",
    "norm1": "norm1",
    "norm2": "norm2",
    "attention.output.dense": "attn.proj",
    "intermediate.dense": "mlp.fc1",
    "output.dense": "mlp.fc2",
    "mlp.fc1": "mlp.fc1",
    "mlp.fc2": "mlp.fc2",
    "layer_scale1.lambda1": "ls1.gamma",
    "layer_scale2.lambda1": "ls2.gamma",
    "attention.attention.query": "attn.q",
    "attention.attention.key": "attn.k",
    "attention.attention.value": "attn.v",
}


def is_plain_vit(tensors: dict[str, Tensor]) -> bool:
    """Blocks of a transformer, and neither experts nor decoders."""
    names = [_bare(name) for name in tensors]
    blocks = any(re.match(r"blocks\.0\.attn\.", name) for name in names)
    layers = any(re.match(r"encoder\.layer\.0\.attention\.", name) for name in names)
    ours = any(".experts." in name or name.startswith("decoders.") for name in names)
    return (
        (blocks or layers) and not ours and any(name in ("norm.weight", "layernorm.weight") for name in names)
    )


def as_m3vit(tensors: dict[str, Tensor]) -> tuple[dict[str, Tensor], int]:
    """The tensors under M³ViT's names, and the number of classes; 0 without a classifier.

    Raises:
        ArchitectureError: a part that is not supported, by the name of its tensor.
    """
    for name in tensors:
        for pattern, meaning in REFUSED:
            if re.fullmatch(pattern, _bare(name)):
                raise ArchitectureError(f"{name}: {meaning} is not supported")
    found = {_renamed(_bare(name)): value for name, value in tensors.items()}
    if "cls_token" not in found:
        raise ArchitectureError(
            "the checkpoint has no class token (cls_token), which its classifier would read"
        )
    d = found["cls_token"].shape[-1]
    if "head.weight" in found and found["head.weight"].shape[1:] != (d,):
        raise ArchitectureError(
            f"head.weight has shape {tuple(found['head.weight'].shape)}, expected (classes, {d}): "
            "a classifier of the class token alone"
        )
    for layer in sorted({int(m[1]) for name in found if (m := re.match(r"blocks\.(\d+)\.", name))}):
        _join_queries(found, f"blocks.{layer}.attn")
        _fold_layer_scale(found, f"blocks.{layer}.ls1.gamma", f"blocks.{layer}.attn.proj")
        _fold_layer_scale(found, f"blocks.{layer}.ls2.gamma", f"blocks.{layer}.mlp.fc2")
    heads = {name: found.pop(name) for name in list(found) if re.match(r"(norm|head)\.", name)}
    named = {f"backbone.{name}": value for name, value in found.items()}
    if "head.weight" not in heads:
        return named, 0
    classes = len(heads["head.weight"])
    heads.setdefault("head.bias", torch.zeros(classes))
    return named | {f"decoders.{TASK}.{name}": value for name, value in heads.items()}, classes


def _bare(name: str) -> str:
    """Without the prefixes that name the model."""
    return re.sub(r"^(backbone\.|vit\.|deit\.|dinov2\.|model\.)+", "", name)


def _renamed(name: str) -> str:
    match = re.fullmatch(r"encoder\.layer\.(\d+)\.(.+)", name)
    table, prefix, rest = (_HUGGING_FACE, "", name)
    if match is not None:
        table, prefix, rest = _HUGGING_FACE_LAYER, f"blocks.{match[1]}.", match[2]
    if rest in table:
        return prefix + table[rest]
    stem, _, kind = rest.rpartition(".")
    return f"{prefix}{table[stem]}.{kind}" if stem in table else name


def _join_queries(found: dict[str, Tensor], attention: str) -> None:
    """Q, K and V as the rows of one layer, with a bias."""
    parts = [f"{attention}.{part}" for part in "qkv"]
    if all(f"{part}.weight" in found for part in parts):
        weights = [found.pop(f"{part}.weight") for part in parts]
        zeros = [torch.zeros(len(weight)) for weight in weights]
        biases = [found.pop(f"{part}.bias", zero) for part, zero in zip(parts, zeros, strict=True)]
        found[f"{attention}.qkv.weight"] = torch.cat(weights)
        found[f"{attention}.qkv.bias"] = torch.cat(biases)
    if f"{attention}.qkv.weight" in found:
        found.setdefault(f"{attention}.qkv.bias", torch.zeros(len(found[f"{attention}.qkv.weight"])))


def _fold_layer_scale(found: dict[str, Tensor], gamma: str, layer: str) -> None:
    """gamma * (W x + b) = (diag(gamma) W) x + gamma b."""
    if gamma in found:
        scale = found.pop(gamma)
        found[f"{layer}.weight"] = found[f"{layer}.weight"] * scale[:, None]
        found[f"{layer}.bias"] = found[f"{layer}.bias"] * scale
