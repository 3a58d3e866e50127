# SPDX-License-Identifier: Apache-2.0
"""Networks with dead parts: rows of zeros or nearly so, with and without a bias, anywhere."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="quantizing needs the extra 'models'")

from peritus.ir import execute  # noqa: E402
from quant_models.network.config import M3VIT_MICRO  # noqa: E402
from quant_models.network.init import new_model, procedural_images  # noqa: E402
from quant_models.network.noise import snr_db  # noqa: E402
from quant_models.quantization.quantize import quantize, to_uint8  # noqa: E402

pytestmark = pytest.mark.models

CONFIG = replace(M3VIT_MICRO, n_layers=2)
IMAGES = procedural_images(CONFIG, 4, seed=1)
LEAST_DB = 25.0


def _row(layer: Any, row: Any, weight: float, bias: float) -> None:
    layer.weight[row] *= weight
    layer.bias[row] = bias


def fc1(net: Any, weight: float) -> None:
    _row(net.backbone.layers[0].mlp.fc1, 3, weight, 0.1)


def fc2(net: Any, weight: float) -> None:
    _row(net.backbone.layers[0].mlp.fc2, 3, weight, 0.1)


def proj(net: Any, weight: float) -> None:
    _row(net.backbone.layers[0].attn.proj, 3, weight, -0.3)


def qkv(net: Any, weight: float) -> None:
    for row in (3, 67, 131):  # of q, of k, of v
        _row(net.backbone.layers[0].attn.qkv, row, weight, 0.2)


def patch_embedding(net: Any, weight: float) -> None:
    _row(net.backbone.patch_embed.proj, 3, weight, 0.4)


def head(net: Any, weight: float) -> None:
    _row(net.decoder("semseg").head, 3, weight, 2.0)


def expert(net: Any, weight: float) -> None:
    for layer in (net.backbone.layers[1].mlp.experts.htoh4, net.backbone.layers[1].mlp.experts.h4toh):
        _row(layer, 1, weight, 0.1)


def silent_expert(net: Any, weight: float) -> None:
    for layer in (net.backbone.layers[1].mlp.experts.htoh4, net.backbone.layers[1].mlp.experts.h4toh):
        _row(layer, 1, weight, 0.0)


def gate(net: Any, weight: float) -> None:
    for router in net.backbone.layers[1].mlp.gate:
        router.w_gate[:, 1] *= weight


def whole_layer(net: Any, weight: float) -> None:
    _row(net.backbone.layers[1].attn.proj, slice(None), weight, 0.05)


def norm(net: Any, weight: float) -> None:
    layer = net.backbone.layers[0].norm2
    layer.weight[3] *= weight
    layer.bias[3] = 0.5


ROWS = (fc1, fc2, proj, qkv, patch_embedding, head, expert, gate, norm)
PARTS = (silent_expert, whole_layer)


@pytest.mark.parametrize("weight", [0.0, 1e-9, 1e-6])
@pytest.mark.parametrize("prune", [ROWS, PARTS], ids=["rows", "parts"])
def test_dead_rows_keep_their_bias(prune: tuple[Callable[[Any, float], None], ...], weight: float) -> None:
    """An export takes seconds: all dead rows at once, each in a row of its own."""
    net = new_model(CONFIG)
    with torch.no_grad():
        for part in prune:
            part(net, weight)
        image = IMAGES[:1]
        features, logits = net.features(image, "semseg"), net(image, "semseg")
    graph = quantize(copy.deepcopy(net), IMAGES).graph
    result = execute(graph, to_uint8(image)[0], "semseg")
    found = torch.from_numpy(result.features * graph.residual_scale)[None]
    assert snr_db(features, found) > LEAST_DB
    found = torch.from_numpy(result.output * graph.tasks[0].scale).permute(2, 0, 1)[None]
    assert snr_db(logits, found) > 15.0  # a map of an untrained network: near ties of its router flip
