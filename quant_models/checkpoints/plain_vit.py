# SPDX-License-Identifier: Apache-2.0
"""State dicts of plain vision transformers under the names of M³ViT: timm, DeiT, DINOv2 and Hugging Face.

A ViT with learned positions and a linear classifier is an M³ViT without experts and with one task of kind
"classification". LayerScale is folded into the layer before it, and Q, K and V in one matrix; a missing bias
is zero. A classifier of more than the class token is the host's. What else such networks may have is refused
by the name of its tensor.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass

import torch
from torch import Tensor

from quant_models.checkpoints.errors import ArchitectureError
from quant_models.checkpoints.infer import is_grid
from quant_models.checkpoints.pooling import PooledClassifier

TASK = "classes"
PREFIX = ("cls_token", "dist_token", "reg_token")  # in the order of the tokens
# Tensors of parts that the accelerator does not have -> what they are.
REFUSED = (
    (r".*\.(q_norm|k_norm)\.weight", "norms of queries and keys"),
    (r".*\.mlp\.(w12|w3|weights_in|weights_out|gate_proj)\.weight", "a gated MLP (SwiGLU)"),
    (r".*relative_position_bias_table", "relative positions"),
    (r"attn_pool\..*", "attention in front of the classifier"),
    (r"(.*\.)?(norm_pre|pre_layrnorm)\.weight", "a norm in front of the first block"),
)
_HUGGING_FACE = {
    "embeddings.cls_token": "cls_token",
    "embeddings.distillation_token": "dist_token",
    "embeddings.register_tokens": "reg_token",
    "register_tokens": "reg_token",
    "distillation_classifier": "head_dist",
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
        (blocks or layers)
        and not ours
        and any(name in ("norm.weight", "fc_norm.weight", "layernorm.weight") for name in names)
    )


@dataclass(frozen=True, eq=False)
class PlainVit:
    """A plain ViT under M³ViT's names. classes: of its classifier, 0 without one. pooled: the classifier,
    where it reads more than the class token. notes: what was understood."""

    tensors: dict[str, Tensor]
    classes: int
    pooled: PooledClassifier | None
    notes: tuple[str, ...]


def as_m3vit(tensors: dict[str, Tensor], image: tuple[int, int] | None = None) -> PlainVit:
    """The tensors under M³ViT's names: prefix tokens joined, positions of all tokens, the classifier.

    Args:
        image: height and width, where the positions do not tell how many patches there are.
    Raises:
        ArchitectureError: a part that is not supported, by the name of its tensor.
    """
    for name in tensors:
        for pattern, meaning in REFUSED:
            if re.fullmatch(pattern, _bare(name)):
                raise ArchitectureError(f"{name}: {meaning} is not supported")
    found = {_renamed(_bare(name)): value for name, value in tensors.items()}
    notes = ["a plain ViT: LayerScale and separate Q, K, V are folded, missing biases are zero"]
    prefix = _join_prefix(found, image, notes)
    for layer in sorted({int(m[1]) for name in found if (m := re.match(r"blocks\.(\d+)\.", name))}):
        _join_queries(found, f"blocks.{layer}.attn")
        _fold_layer_scale(found, f"blocks.{layer}.ls1.gamma", f"blocks.{layer}.attn.proj")
        _fold_layer_scale(found, f"blocks.{layer}.ls2.gamma", f"blocks.{layer}.mlp.fc2")
    classifier = r"(norm|fc_norm|head|head_dist)\."
    heads = {name: found.pop(name) for name in list(found) if re.match(classifier, name)}
    named = {f"backbone.{name}": value for name, value in found.items()}
    if "head.weight" not in heads:
        return PlainVit(named, 0, None, tuple(notes))
    for head in ("head", "head_dist"):
        if f"{head}.weight" in heads:
            heads.setdefault(f"{head}.bias", torch.zeros(len(heads[f"{head}.weight"])))
    classes = len(heads["head.weight"])
    pooled = _pooled(heads, prefix, notes)
    if pooled is None:
        named |= {f"decoders.{TASK}.{name}": value for name, value in heads.items()}
    return PlainVit(named, classes, pooled, tuple(notes))


def _join_prefix(found: dict[str, Tensor], image: tuple[int, int] | None, notes: list[str]) -> int:
    """Class, distillation and register tokens as one table in front of the patches; how many there are."""
    parts = [found.pop(name) for name in PREFIX if name in found]
    prefix = torch.cat(parts, dim=1) if parts else None
    count = 0 if prefix is None else prefix.shape[1]
    if prefix is not None:
        found["cls_token"] = prefix
    positions, patch = found.get("pos_embed"), found.get("patch_embed.proj.weight")
    if positions is None or positions.ndim != 3 or patch is None or patch.ndim != 4:
        return count
    ends = [0, *itertools.accumulate(part.shape[1] for part in parts)]  # positions of the first parts only
    sizes = {end: positions.shape[1] - end for end in ends}
    wanted = None if image is None else image[0] // patch.shape[2] * (image[1] // patch.shape[3])
    fitting = [end for end, size in sizes.items() if (size == wanted if wanted else is_grid(size))]
    if len(fitting) != 1:
        if count > 1 or len(fitting) > 1:
            raise ArchitectureError(
                f"pos_embed has {positions.shape[1]} rows for {count} tokens and the patches, which can be "
                f"{', '.join(map(str, sizes.values()))}: give --image HxW"
            )
        fitting = [count]  # of another image, perhaps: whoever resizes knows
    (with_position,) = fitting
    if with_position < count:
        rows = torch.zeros(1, count - with_position, positions.shape[2])
        parts = [positions[:, :with_position], rows, positions[:, with_position:]]
        found["pos_embed"] = torch.cat(parts, dim=1)
        notes.append(f"{count - with_position} of {count} tokens in front of the patches have no position")
    return count


def _pooled(heads: dict[str, Tensor], prefix: int, notes: list[str]) -> PooledClassifier | None:
    """The classifier, if it reads anything else than the normalized class token alone."""

    def pair(name: str) -> tuple[Tensor, Tensor]:
        return heads[f"{name}.weight"], heads[f"{name}.bias"]

    if ("norm.weight" in heads) == ("fc_norm.weight" in heads):
        raise ArchitectureError(
            "the checkpoint has norm.weight and fc_norm.weight, or neither: expected one norm in front of "
            "the "
            "classifier"
        )
    first = "norm.weight" in heads
    norm = pair("norm" if first else "fc_norm")
    d, inputs = len(norm[0]), heads["head.weight"].shape[1:]
    on_host = "the host computes its classifier:"
    if "head_dist.weight" in heads:
        notes.append(f"{on_host} the mean of the class token's and of the distillation token's head")
        return PooledClassifier("each", prefix, norm, first, (pair("head"), pair("head_dist")))
    if inputs == (2 * d,) and first and prefix:
        notes.append(f"{on_host} a layer on the class token beside the mean of the patches, as DINOv2's")
        return PooledClassifier("first+mean", prefix, norm, first, (pair("head"),))
    if inputs != (d,):
        raise ArchitectureError(
            f"head.weight has shape {tuple(heads['head.weight'].shape)}, expected (classes, {d}), or "
            "(classes, "
            f"{2 * d}) for the class token beside the mean of the patches"
        )
    if first and prefix:
        return None
    notes.append(f"{on_host} the mean of the patches, {'after' if first else 'in front of'} their norm")
    return PooledClassifier("mean", prefix, norm, first, (pair("head"),))


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
