# SPDX-License-Identifier: Apache-2.0
"""The float M³ViT: state-dict keys of the public code, routing semantics, layouts."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")

from quant_models.network.config import M3VIT_MICRO, ConfigError  # noqa: E402
from quant_models.network.init import new_model, procedural_images  # noqa: E402
from quant_models.network.layers import depth_to_space  # noqa: E402
from quant_models.network.moe import MoeMlp, route  # noqa: E402

pytestmark = pytest.mark.models

# VITA-Group/M3ViT: MultiTaskModel(backbone=VisionTransformerMoE, decoders=ModuleDict)
PUBLIC_KEYS = [
    r"backbone\.(cls_token|pos_embed)",
    r"backbone\.patch_embed\.proj\.(weight|bias)",
    r"backbone\.blocks\.\d+\.(norm1|norm2|attn\.qkv|attn\.proj)\.(weight|bias)",
    r"backbone\.blocks\.[02]\.mlp\.(fc1|fc2)\.(weight|bias)",
    r"backbone\.blocks\.[13]\.mlp\.experts\.(htoh4|h4toh)\.(weight|bias)",
    r"decoders\.(semseg|depth)\.norm\.(weight|bias)",
]
OWN_KEYS = [r"decoders\.(semseg|depth)\.head\.(weight|bias)"]  # the public decoders are convolutional
GATES = {
    "multi_gate": [r"backbone\.blocks\.[13]\.mlp\.gate\.[01]\.w_gate"],
    "task_conditioned": [
        r"backbone\.blocks\.[13]\.mlp\.gate\.w_gate",
        r"backbone\.gate_task_represent\.(fc1|fc2|norm)\.(weight|bias)",
    ],
}


@pytest.mark.parametrize("gate", GATES)
def test_state_dict_keys_follow_the_public_code(gate: str) -> None:
    patterns = PUBLIC_KEYS + OWN_KEYS + GATES[gate]
    keys = new_model(replace(M3VIT_MICRO, gate=gate)).state_dict()
    assert all(any(re.fullmatch(p, key) for p in patterns) for key in keys)
    assert all(any(re.fullmatch(p, key) for key in keys) for p in patterns)


def test_expert_and_gate_shapes_follow_the_public_code() -> None:
    state = new_model(M3VIT_MICRO).state_dict()
    assert state["backbone.blocks.1.mlp.experts.htoh4.weight"].shape == (4, 64, 64)  # (experts, hidden, d)
    assert state["backbone.blocks.1.mlp.gate.0.w_gate"].shape == (64, 4)  # (d, experts)
    shared = new_model(replace(M3VIT_MICRO, gate="task_conditioned", task_embedding_dim=24)).state_dict()
    assert shared["backbone.blocks.1.mlp.gate.w_gate"].shape == (64 + 24, 4)


def test_route_scores_over_all_experts_and_breaks_ties_by_index() -> None:
    logits = torch.tensor([[1.0, 3.0, 3.0, 3.0], [0.0, 0.0, 0.0, 0.0], [2.0, -1.0, 5.0, 2.0]])
    indices, scores = route(logits, 2)
    assert indices.tolist() == [[1, 2], [0, 1], [2, 0]]
    assert torch.equal(scores, logits.softmax(1).gather(1, indices))
    assert float(scores[1].sum()) == 0.5  # two of four equal experts, not renormalized


@pytest.mark.parametrize("gate", GATES)
def test_moe_equals_its_definition_token_by_token(gate: str) -> None:
    net = new_model(replace(M3VIT_MICRO, gate=gate))
    moe = net.backbone.layers[1].mlp
    assert isinstance(moe, MoeMlp)
    x = torch.randn(2, 9, 64, generator=torch.Generator().manual_seed(3))
    embedding = net.backbone.task_embedding(1)
    with torch.no_grad():
        found = moe(x, 1, embedding).flatten(0, 1)
        for token, expected in zip(x.flatten(0, 1), found, strict=True):
            logits = moe.logits(token[None], 1, embedding)[0]
            best = sorted(range(4), key=lambda e: (-float(logits[e]), e))[:2]
            total = sum(logits.softmax(0)[e] * moe.experts(token[None], e)[0] for e in best)
            assert torch.allclose(total, expected, atol=1e-5)


def test_tasks_have_routes_and_maps_of_their_own() -> None:
    net = new_model(M3VIT_MICRO)
    images = procedural_images(M3VIT_MICRO, 2)
    with torch.no_grad():
        assert net(images, "semseg").shape == (2, 8, 8, 16)
        assert net(images, "depth").shape == (2, 1, 8, 16)
        assert not torch.allclose(net.features(images, "semseg"), net.features(images, "depth"))
        assert float(net(images, "depth").std()) > 0.1  # the map varies over the picture


def test_depth_to_space_channel_order() -> None:
    """Token t = (y, x), channel (sy, sx, c) lands on pixel (y s + sy, x s + sx) of map c."""
    rows, columns, s, channels = 2, 3, 4, 5
    tokens = torch.arange(rows * columns * s * s * channels).view(1, rows * columns, -1)
    found = depth_to_space(tokens, (rows, columns), s)
    for y, x, sy, sx, c in [(0, 0, 0, 0, 0), (1, 2, 3, 1, 4), (0, 1, 2, 3, 2)]:
        assert found[0, c, y * s + sy, x * s + sx] == tokens[0, y * columns + x, (sy * s + sx) * channels + c]


def test_seeds_decide_the_weights() -> None:
    first, same, other = (new_model(M3VIT_MICRO, seed).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(first[key], same[key]) for key in first)
    assert not torch.equal(first["backbone.pos_embed"], other["backbone.pos_embed"])


def test_wrong_inputs_are_named() -> None:
    net = new_model(M3VIT_MICRO)
    with pytest.raises(ConfigError, match=r"shape \(1, 3, 32, 32\), expected"):
        net(torch.zeros(1, 3, 32, 32), "semseg")
    with pytest.raises(ConfigError, match="unknown task 'edges'"):
        net(torch.zeros(1, 3, 32, 64), "edges")
