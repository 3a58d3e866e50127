# SPDX-License-Identifier: Apache-2.0
"""Everything that a file says is used or refused: a change of it changes the network, or names the node."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="reading QONNX needs the extra 'models'")

from onnx import helper, numpy_helper  # noqa: E402

from peritus.errors import PeritusError  # noqa: E402
from peritus.frontends.errors import UnsupportedLayerError  # noqa: E402
from peritus.frontends.operators import OPERATORS  # noqa: E402
from peritus.frontends.qonnx import lower  # noqa: E402

pytestmark = pytest.mark.models

# Other ways to say the same: (operator, attribute, value as text).
SYNONYMS = {
    ("Quant", "rounding_mode", "HALF_EVEN"),
    ("Quant", "narrow", "0"),  # of weights that do not reach -128
    ("Quant", "narrow", "1"),  # of int8 activations, which here end at -128: one step further
    ("Conv", "auto_pad", "VALID"),  # without pads
    ("LayerNormalization", "axis", "2"),  # the last of three
    ("Reshape", "allowzero", "0"),  # no extent is 0
    ("Reshape", "allowzero", "1"),  # the same
    ("Concat", "axis", "-2"),  # the second of three
    ("Gather", "axis", "-2"),  # the same
    ("ReduceSum", "noop_with_empty_axes", "1"),  # axes are given
}
TEXTS = (
    "FLOOR",
    "CEIL",
    "ROUND_TO_ZERO",
    "HALF_EVEN",
    "nonsense",
    "tanh",
    "relu",
    "SAME_UPPER",
    "VALID",
    "reflect",
)


def _others(value: Any) -> list[Any]:
    """Values to try instead of an attribute's own."""
    if isinstance(value, bytes):
        return [text for text in TEXTS if text.encode() != value]
    if isinstance(value, int):
        return [v for v in (0, 1, 2, value + 1, -value - 1) if v != value]
    if isinstance(value, float):
        return [2 * value, 0.5 * value, float("nan"), -value]
    items = list(value)
    return [items[::-1] if items[::-1] != items else items + items[:1], items[1:] or [*items, *items]]


def changes(model: Any) -> Iterator[tuple[Any, str, Any, Any]]:
    """(node, attribute, new value, changed model) for every attribute of every node."""
    for index, node in enumerate(model.graph.node):
        for place, attribute in enumerate(node.attribute):
            for value in _others(helper.get_attribute_value(attribute)):
                changed = copy.deepcopy(model)
                changed.graph.node[index].attribute[place].CopyFrom(
                    helper.make_attribute(attribute.name, value)
                )
                yield node, attribute.name, value, changed


def changes_without_effect(
    model: Any, fingerprint: Callable[..., str]
) -> tuple[set[tuple[str, str, str]], set[str]]:
    """(operator, attribute, value) of the changes that are accepted and change nothing; operators tried."""
    before = fingerprint(lower(model))
    ignored: set[tuple[str, str, str]] = set()
    tried: set[str] = set()
    for node, attribute, value, changed in changes(model):
        tried.add(node.op_type)
        try:
            after = fingerprint(lower(changed))
        except PeritusError:
            continue
        if after == before:
            ignored.add((node.op_type, attribute, str(value)))
    return ignored, tried


def test_every_attribute_of_every_node_counts(network: Any, fingerprint: Callable[..., str]) -> None:
    ignored, tried = changes_without_effect(network, fingerprint)
    assert sorted(ignored - SYNONYMS) == []
    assert tried > {
        "Quant",
        "Conv",
        "LayerNormalization",
        "MoE",
        "Task",
        "Gather",
    }


def test_attributes_may_be_left_out_only_at_their_default(
    network: Any, fingerprint: Callable[..., str]
) -> None:
    before = fingerprint(lower(network))
    for index, node in enumerate(network.graph.node):
        for place, attribute in enumerate(node.attribute):
            changed = copy.deepcopy(network)
            del changed.graph.node[index].attribute[place]
            default = OPERATORS[node.op_type].attributes[attribute.name].default
            value = helper.get_attribute_value(attribute)
            value = value.decode() if isinstance(value, bytes) else value
            where = f"{node.name}: {attribute.name}"
            try:
                same = fingerprint(lower(changed)) == before
            except UnsupportedLayerError:
                same = False
            harmless = value == default or (node.op_type, attribute.name, str(default)) in SYNONYMS
            assert same == (harmless or attribute.name == "kernel_shape"), where  # the weights say it too


def test_a_missing_attribute_is_named(network: Any) -> None:
    node = next(node for node in network.graph.node if node.name == "backbone.blocks.0.norm1_quant/Quant")
    narrow = next(place for place, found in enumerate(node.attribute) if found.name == "narrow")
    del node.attribute[narrow]
    with pytest.raises(
        UnsupportedLayerError, match=r"norm1_quant/Quant' \(Quant\): attribute 'narrow' is missing"
    ):
        lower(network)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_constants_are_finite(network: Any, value: float) -> None:
    """In every tensor of the file: weights, scales, gates, positions, norms."""
    for index, tensor in enumerate(network.graph.initializer):
        if tensor.data_type != onnx.TensorProto.FLOAT:
            continue
        changed = copy.deepcopy(network)
        values = np.array(numpy_helper.to_array(tensor))
        values.reshape(-1)[values.size // 2] = value
        changed.graph.initializer[index].CopyFrom(numpy_helper.from_array(values, tensor.name))
        with pytest.raises(UnsupportedLayerError) as error:
            lower(changed)
        assert repr(tensor.name) in str(error.value)
        assert "not finite" in str(error.value)


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (3, 7.5, r"bit width 7\.5, must be a whole number, 2 to 16"),
        (3, 0.0, r"bit width 0, must be"),
        (3, -8.0, r"bit width -8, must be"),
        (3, 1e9, r"bit width 1e\+09, must be"),
        (2, 0.5, r"zero point 0\.5, expected 0"),
        (1, 0.0, r"scale 0, must be positive"),
        (1, -1.0, r"scale -1, must be positive"),
    ],
)
def test_grids_are_checked(network: Any, place: int, value: float, message: str) -> None:
    """On every Quant of the file, an activation's or a weight's."""
    network.graph.initializer.append(numpy_helper.from_array(np.float32(value), "planted"))
    for index, node in enumerate(network.graph.node):
        if node.op_type != "Quant":
            continue
        changed = copy.deepcopy(network)
        changed.graph.node[index].input[place] = "planted"
        with pytest.raises(PeritusError, match=message):
            lower(changed)


def test_a_node_without_a_name_is_named_by_what_it_computes(network: Any) -> None:
    for node in network.graph.node:
        node.name = ""
    norm = next(node for node in network.graph.node if node.op_type == "LayerNormalization")
    norm.attribute.append(helper.make_attribute("spread", 1))
    expected = rf"node 'computing {norm.output[0]}' \(LayerNormalization\): unknown attribute 'spread'"
    with pytest.raises(UnsupportedLayerError, match=expected):
        lower(network)


def test_unsigned_weights_are_refused(network: Any) -> None:
    """As int8 they would wrap around."""
    for index, node in enumerate(network.graph.node):
        weight = node.op_type == "Quant" and node.input[0] in {t.name for t in network.graph.initializer}
        if not weight:
            continue
        changed = copy.deepcopy(network)
        quant = changed.graph.node[index]
        for attribute in quant.attribute:
            if attribute.name in ("signed", "narrow"):
                attribute.i = 0
        with pytest.raises(UnsupportedLayerError, match=r"\(Quant\): uint"):
            lower(changed)


def test_the_gate_must_be_chosen_by_the_task(network: Any) -> None:
    """A constant in place of the task input would give every task the same gate."""
    network.graph.initializer.append(numpy_helper.from_array(np.array([0], np.int64), "always"))
    for node in network.graph.node:
        if node.op_type == "Gather" and any("task" in name for name in _sources(network, node.input[1])):
            node.input[1] = "always"
            break
    else:
        raise AssertionError("no Gather by the task")
    with pytest.raises(UnsupportedLayerError, match=r"\(Gather\): selects 0 of 2, expected the only one"):
        lower(network)


def _sources(model: Any, tensor: str) -> list[str]:
    """The tensor and what it is reshaped from."""
    producers = {name: node for node in model.graph.node for name in node.output}
    found = [tensor]
    while found[-1] in producers:
        found.append(producers[found[-1]].input[0])
    return found


def test_an_open_size_is_named(network: Any) -> None:
    model = copy.deepcopy(network)
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_param = "height"
    message = r"input 'image': dimension 2 is 'height', must be a positive number: export"
    with pytest.raises(UnsupportedLayerError, match=message):
        lower(model)
