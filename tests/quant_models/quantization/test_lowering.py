# SPDX-License-Identifier: Apache-2.0
"""What cannot be lowered is refused with the node's name."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")

import peritus  # noqa: E402
from peritus.frontends.errors import UnsupportedLayerError  # noqa: E402
from peritus.frontends.qonnx import lower  # noqa: E402
from peritus.ir import Attention, Experts, Head, LayerNorm, Router, execute  # noqa: E402
from peritus.reference import HIDDEN_ZERO_POINT  # noqa: E402

pytestmark = pytest.mark.models


def _node(model: Any, name: str) -> Any:
    return next(node for node in model.graph.node if node.name == name)


def _set_constant(model: Any, tensor: str, value: Any) -> str:
    """A new initializer; returns its name."""
    name = f"changed_{tensor}"
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.asarray(value, np.float32), name))
    return name


def _change_op(model: Any) -> None:
    node = _node(model, "backbone.blocks.0.mlp/Gelu")
    node.op_type = "Tanh"
    del node.attribute[:]


def _zero_point(model: Any) -> None:
    node = _node(model, "backbone.blocks.0.norm1_quant/Quant")
    node.input[2] = _set_constant(model, "zero", 3)


def _bits(model: Any) -> None:
    node = _node(model, "backbone.blocks.0.norm1_quant/Quant")
    node.input[3] = _set_constant(model, "bits", 4)


def _residual_scale(model: Any) -> None:
    node = _node(model, "backbone.blocks.0.attn_residual_quant/Quant")
    node.input[1] = _set_constant(model, "scale", 0.125)


def _gelu_scale(model: Any) -> None:
    node = _node(model, "backbone.blocks.0.mlp.pre_quant/Quant")
    node.input[1] = _set_constant(model, "scale", 0.125)


def _top_k(model: Any) -> None:
    node = _node(model, "backbone.blocks.1.mlp/MoE")
    next(a for a in node.attribute if a.name == "top_k").i = 9


def _epsilon_axis(model: Any) -> None:
    node = _node(model, "backbone.blocks.0.norm2/LayerNormalization")
    next(a for a in node.attribute if a.name == "axis").i = 1


def _tanh_gelu(model: Any) -> None:
    node = _node(model, "backbone.blocks.0.mlp/Gelu")
    del node.attribute[:]
    node.attribute.append(onnx.helper.make_attribute("approximate", "tanh"))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_change_op, r"'backbone.blocks.0.mlp/Gelu' \(Tanh\): cannot be lowered; operators that can: Add"),
        (_tanh_gelu, r"'backbone.blocks.0.mlp/Gelu' \(Gelu\): approximate = tanh, expected none"),
        (_zero_point, r"'backbone.blocks.0.norm1_quant/Quant' \(Quant\): zero point 3, expected 0"),
        (_bits, r"norm1_quant/Quant' \(Quant\): int4 with 1 scale\(s\), expected int8 with one"),
        (_residual_scale, r"'backbone.blocks.0.attn_residual_quant/Quant' .* residual scale"),
        (_gelu_scale, r"'backbone.blocks.0.mlp.pre_quant/Quant' \(Quant\): scale 0.125, expected 0.00390625"),
        (_top_k, r"'backbone.blocks.1.mlp/MoE' \(MoE\): top_k = 9, must be 1..4"),
        (_epsilon_axis, r"'backbone.blocks.0.norm2/LayerNormalization' .* axis = 1, expected -1"),
    ],
)
def test_damaged_models_are_refused(
    chain: Callable[..., Any], damage: Callable[[Any], None], message: str
) -> None:
    model = copy.deepcopy(chain("multi_gate").qonnx)
    damage(model)
    with pytest.raises(UnsupportedLayerError, match=message):
        lower(model)


def test_integer_graph_has_the_models_structure(chain: Callable[..., Any]) -> None:
    built = chain("multi_gate")
    graph = built.graph
    kinds = [type(node) for node in graph.nodes]
    assert kinds.count(Attention) == 2
    assert kinds.count(LayerNorm) == 5  # two per block and one that the heads share
    assert kinds.count(Head) == 5
    (router,) = (node for node in graph.nodes if isinstance(node, Router))
    (experts,) = (node for node in graph.nodes if isinstance(node, Experts))
    assert (len(router.gates), len(experts.experts)) == (5, 4)
    shared = chain("task_conditioned").graph
    assert [task.kind for task in shared.tasks] == ["segmentation", "depth"]
    (router,) = (node for node in shared.nodes if isinstance(node, Router))
    assert np.array_equal(router.gates[0].weight, router.gates[1].weight)
    assert not np.array_equal(router.gates[0].bias, router.gates[1].bias)


def test_onnx_file_to_device(chain: Callable[..., Any], tmp_path: Path) -> None:
    """What the README promises: load_model on an export, compile, run."""
    built = chain("multi_gate")
    onnx.save(built.qonnx, tmp_path / "net.onnx")
    model = peritus.load_model(tmp_path / "net.onnx")
    bundle = peritus.compile(model, hw="zcu104")
    frame = np.random.default_rng(0).integers(0, 256, (32, 64, 3), dtype=np.uint8)
    task = bundle.tasks[0].name
    with peritus.open_device("reference", hw="zcu104") as device:
        device.load(bundle)
        result = device.run(frame, task=task, features=True)
    expected = execute(built.graph, frame, task)
    assert np.array_equal(result.outputs[task], expected.output)
    assert np.array_equal(result.raw_features, expected.features)


def test_weights_are_the_fake_quantized_integers(chain: Callable[..., Any]) -> None:
    built = chain("multi_gate")
    weight = built.model.backbone.layers[0].mlp.fc1.quant_weight()
    (fc1,) = (node for node in built.graph.nodes if node.name == "blocks.0.mlp.fc1")
    assert np.array_equal(fc1.affine.weight, weight.int().numpy())


def test_hidden_values_have_their_zero_point(chain: Callable[..., Any]) -> None:
    """In the integer graph, and in the reader's bias."""
    built = chain("multi_gate")
    nodes = {node.name: node for node in built.graph.nodes}
    fc1, fc2, experts = (nodes[f"blocks.{name}"] for name in ("0.mlp.fc1", "0.mlp.fc2", "1.mlp.experts"))
    assert fc1.zero_point == experts.zero_point == HIDDEN_ZERO_POINT and fc2.zero_point == 0
    # The bias in real units, and what the zero point adds up to.
    layer = built.model.backbone.layers[0].mlp.fc2
    scale = layer.quant_weight().scale.flatten().detach().numpy().astype(np.float64)
    bias = np.floor(layer.bias.detach().numpy() / scale + 0.5)
    moved = -HIDDEN_ZERO_POINT * fc2.affine.weight.sum(axis=1, dtype=int)
    assert np.abs(moved).max() > 1000
    assert np.abs(fc2.affine.bias - bias - moved).max() <= 1


def test_norms_are_calibrated_per_channel(chain: Callable[..., Any]) -> None:
    graph = chain("multi_gate").graph
    norm = next(node for node in graph.nodes if isinstance(node, LayerNorm))
    assert len(set(zip(norm.gamma.tolist(), norm.shift.tolist(), strict=True))) > 32
