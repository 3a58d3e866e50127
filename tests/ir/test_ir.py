# SPDX-License-Identifier: Apache-2.0
"""The integer graph: rules, executor, scale helpers, model file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

from peritus import ir
from peritus import reference as ref
from peritus.image import ImageError
from peritus.ir.model_file import checksum
from peritus.ir.random_model import Dims, RoutingPattern, random_image, random_model

DIMS = Dims(layers=2)


@pytest.fixture(scope="module")
def model() -> ir.QuantModel:
    return random_model(DIMS)


def with_node(graph: ir.Graph, name: str, **changes: object) -> ir.Graph:
    """The graph with some fields of one node replaced."""
    nodes = tuple(replace(n, **changes) if n.name == name else n for n in graph.nodes)
    return replace(graph, nodes=nodes)


def node(graph: ir.Graph, name: str) -> ir.Node:
    return next(n for n in graph.nodes if n.name == name)


@pytest.mark.parametrize("scale", [1e-9, 3e-5, 0.1, 0.999999, 1.0, 3.7, 32767.2])
def test_requant_is_nearest_and_normalized(scale: float) -> None:
    r = ir.requant(scale)
    assert 1 << 15 <= r.multiplier[0] < 1 << 16 and 1 <= r.shift[0] <= 47
    assert abs(r.multiplier[0] * 2.0 ** -int(r.shift[0]) / scale - 1) <= 2**-16


def test_requant_of_tiny_scale_is_zero() -> None:
    assert ir.requant(2.0**-40).multiplier.tolist() == [0]


@pytest.mark.parametrize("scale", [0.0, -1.0, float("nan"), float("inf"), 32768.0])
def test_requant_refuses(scale: float) -> None:
    with pytest.raises(ir.ScaleError, match="scale factor"):
        ir.requant(scale)


def test_affine_norm_reproduces_gamma_and_beta() -> None:
    rng = np.random.default_rng(0)
    gamma, beta = rng.normal(0, 60, 100), rng.normal(0, 60, 100)
    g, b, s = ir.affine_norm(gamma, beta)
    xhat = np.arange(-3000, 3000, 37)[:, None]
    exact = xhat / 1024 * gamma + beta
    assert np.abs(ref.rhu(xhat * g.astype(np.int64) + b, s) - exact).max() < 0.51


def test_scores_are_a_softmax_and_all_experts_contribute(model: ir.QuantModel) -> None:
    values = ir.execute(model.graph, random_image(DIMS), "task0", keep_values=True).values
    routing = values["router_1"]
    assert isinstance(routing, ref.Routing)
    assert routing.experts.shape == (9, 2)
    assert (routing.scores.sum(axis=1) <= 32768 + 8).all()
    before, after = values["proj_1_add"], values["experts_1"]
    assert isinstance(before, np.ndarray) and isinstance(after, np.ndarray)
    assert (before != after).any(axis=1).all()


def test_tasks_share_nodes_but_not_gates(model: ir.QuantModel) -> None:
    image = random_image(DIMS)
    first, second = (ir.execute(model.graph, image, task) for task in ("task0", "task1"))
    assert first.output.shape == (8, 16, 8) and second.output.shape == (8, 16, 1)
    assert (first.features != second.features).any()
    assert "head_task1" not in model.graph.needed("task0", features=True)
    assert "norm" not in model.graph.needed(None, features=True)


def patterns() -> list[RoutingPattern]:
    return ["even", "skewed", "idle", "single", "ties"]


@pytest.mark.parametrize("routing", patterns())
def test_routing_patterns_are_what_they_say(routing: RoutingPattern) -> None:
    dims = Dims(64, 128, experts=4, layers=2, routing=routing)
    graph = random_model(dims).graph
    values = ir.execute(graph, random_image(dims), "task1", keep_values=True).values
    chosen = values["router_1"]
    assert isinstance(chosen, ref.Routing)
    load = np.bincount(chosen.experts.ravel(), minlength=4)
    if routing == "even":
        assert load.min() >= 4
    elif routing == "skewed":
        assert load[0] > 4 * load[3]
    elif routing == "idle":
        assert load[1] == load[3] == 0
    elif routing == "single":
        assert load.tolist() == [33, 33, 0, 0]
    else:
        logits = ref.saturate(node(graph, "router_1").gates[1](values["norm2_1"]), 16)  # type: ignore[attr-defined]
        best = np.sort(logits, axis=1)[:, ::-1]
        assert (best[:, 1] == best[:, 2]).sum() > 8  # the cut between second and third is a tie


def test_same_seed_same_model() -> None:
    a, b = random_model(DIMS, 3), random_model(DIMS, 3)
    image = random_image(DIMS)
    assert (ir.execute(a.graph, image, "task0").output == ir.execute(b.graph, image, "task0").output).all()


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((32, 63, 3), np.uint8), r"shape \(32, 63, 3\).*\(32, 64, 3\)"),
        (np.zeros((32, 64, 4), np.uint8), r"shape \(32, 64, 4\)"),
        (np.zeros((32, 64), np.uint8), r"shape \(32, 64\)"),
        (np.zeros((32, 64, 3), np.float32), "float32"),
        ([[1]], "list"),
    ],
)
def test_wrong_image(model: ir.QuantModel, image: object, message: str) -> None:
    with pytest.raises(ImageError, match=message):
        ir.execute(model.graph, image, "task0")  # type: ignore[arg-type]


def test_unknown_task(model: ir.QuantModel) -> None:
    with pytest.raises(ir.UnknownTaskError, match=r"'pose'.*task0, task1"):
        ir.execute(model.graph, random_image(DIMS), "pose")


def fc1(graph: ir.Graph, **changes: object) -> ir.Graph:
    affine = node(graph, "fc1_0").affine  # type: ignore[attr-defined]
    return with_node(graph, "fc1_0", affine=replace(affine, **changes))


def broken_graphs() -> dict[str, tuple[object, str]]:
    """What is done to a good graph, and what the error must say."""

    def weight(g: ir.Graph, value: int) -> ir.Graph:
        w = node(g, "fc1_0").affine.weight.copy()  # type: ignore[attr-defined]
        w[3, 5] = value
        return fc1(g, weight=w)

    return {
        "weight -128": (lambda g: weight(g, -128), "node 'fc1_0': linear weight = -128"),
        "int4 weight": (
            lambda g: fc1(g, weight_bits=4, weight=np.full((128, 64), 8, np.int8)),
            r"node 'fc1_0': linear weight = 8, must be within \+-7",
        ),
        "weight bits": (lambda g: fc1(g, weight_bits=6), "linear weight_bits = 6, must be 4 or 8"),
        "accumulator": (
            lambda g: fc1(g, bias=np.full(128, 1 << 26, np.int32)),
            r"node 'fc1_0': linear accumulator reaches \d+ in channel \d+, limit 67108863",
        ),
        "shift": (
            lambda g: fc1(g, requant=ir.Requant(np.full(128, 40000, np.uint16), np.full(128, 48, np.uint8))),
            r"node 'fc1_0': linear shift = \[48\], must be 1..47",
        ),
        "multiplier": (
            lambda g: fc1(g, requant=ir.Requant(np.full(128, 7, np.uint16), np.full(128, 20, np.uint8))),
            r"node 'fc1_0': linear multiplier = \[7\]",
        ),
        "dtype": (
            lambda g: fc1(g, bias=np.zeros(128, np.int64)),
            "node 'fc1_0': linear bias is int64, must be int32",
        ),
        "shape": (lambda g: fc1(g, bias=np.zeros(5, np.int32)), r"bias has shape \[5\], must be \[128\]"),
        "function": (
            lambda g: with_node(g, "fc1_0", function="silu"),
            "'fc1_0': unsupported function 'silu'",
        ),
        "zero point": (
            lambda g: with_node(g, "fc1_0", zero_point=64),
            "'fc1_0': zero_point = 64, must be 0 or -64",
        ),
        "zero point of experts": (
            lambda g: with_node(g, "experts_1", zero_point=-1),
            "'experts_1': zero_point = -1, must be 0 or -64",
        ),
        "zero point of 16 bits": (
            lambda g: with_node(g, "fc2_0", zero_point=-64),
            "'fc2_0': zero_point = -64 at 16 bits, must be 0",
        ),
        "zero point of keys": (
            lambda g: with_node(g, "k_0", zero_point=-64),
            "'attention_0': input 'k_0' has zero point -64, must be 0",
        ),
        "top_k": (
            lambda g: with_node(g, "router_1", top_k=5),
            "'router_1': top_k = 5, must be 1..4 for 4 experts",
        ),
        "heads": (lambda g: with_node(g, "attention_0", heads=7), "'attention_0': heads = 7, must divide 64"),
        "kind": (lambda g: with_node(g, "fc1_0", inputs=("proj_0_add",)), "input 'proj_0_add' is residual"),
        "missing": (
            lambda g: with_node(g, "fc1_0", inputs=("nowhere",)),
            "input 'nowhere' is not computed before",
        ),
        "stale": (
            lambda g: with_node(g, "norm2_0", inputs=("patch_embed",)),
            "reads residual 'patch_embed', which",
        ),
        "experts": (
            lambda g: with_node(g, "experts_1", experts=node(g, "experts_1").experts[:3]),  # type: ignore[attr-defined]
            "'experts_1': 3 experts, its router has 4",
        ),
        "task": (lambda g: with_node(g, "head_task1", task="pose"), "task 'pose' is not in the task table"),
        "grid": (
            lambda g: with_node(g, "head_task1", rows=3),
            "reads 3x4 tokens from 1 on, must be the class token",
        ),
        "features": (lambda g: replace(g, features="norm"), "features are not a residual value"),
        "empty": (
            lambda g: fc1(g, weight=np.zeros((0, 64), np.int8), bias=np.zeros(0, np.int32)),
            r"node 'fc1_0': linear weight has shape \[0, 64\], must not be empty",
        ),
        "duplicate": (
            lambda g: replace(g, nodes=(*g.nodes, g.nodes[-1])),
            "a value of this name exists already",
        ),
    }


@pytest.mark.parametrize("name", broken_graphs())
def test_broken_graph_is_refused_by_name(model: ir.QuantModel, name: str) -> None:
    breaks, message = broken_graphs()[name]
    with pytest.raises(ir.GraphError, match=message):
        breaks(model.graph)  # type: ignore[operator]


def test_unsupported_layer_names_the_node(model: ir.QuantModel) -> None:
    class Convolution(ir.Node):
        pass

    with pytest.raises(ir.GraphError, match="node 'conv7': unsupported layer Convolution"):
        replace(model.graph, nodes=(*model.graph.nodes, Convolution("conv7", ("norm",))))


def test_graph_carries_the_type_of_every_value(model: ir.QuantModel) -> None:
    graph = model.graph
    assert set(graph.types) == {ir.IMAGE} | {n.name for n in graph.nodes}
    values = ir.execute(graph, random_image(DIMS), "task0", keep_values=True).values
    for name, value in values.items():
        found = graph.types[name]
        shape = value.experts.shape if isinstance(value, ref.Routing) else value.shape
        assert shape == found.shape, name
        if isinstance(value, np.ndarray):
            assert found.low <= value.min() and value.max() <= found.high, name


def test_readers_of_a_value(model: ir.QuantModel) -> None:
    """Against the definition, for every value; a node that reads one twice counts once."""
    graph = with_node(model.graph, "attention_0", inputs=("k_0", "k_0", "v_0"))
    for name in graph.types:
        assert graph.readers[name] == tuple(n for n in graph.nodes if name in n.inputs), name
    assert [n.name for n in graph.readers["k_0"]] == ["attention_0"] and not graph.readers["q_0"]


def edge_of_the_accumulator(graph: ir.Graph, over: int) -> ir.Graph:
    """fc1_0 with small weights everywhere but in channel 7, whose bias takes it to the limit, plus `over`."""
    weight = np.ones((128, 64), np.int8)
    weight[7] = -127
    bias = np.zeros(128, np.int32)
    bias[7] = -((1 << 26) - 1 - 128 * 127 * 64 + over)
    return fc1(graph, weight=weight, bias=bias)


def test_accumulator_bound_is_exact(model: ir.QuantModel) -> None:
    edge_of_the_accumulator(model.graph, 0)
    with pytest.raises(ir.GraphError, match="accumulator reaches 67108864 in channel 7, limit 67108863"):
        edge_of_the_accumulator(model.graph, 1)
    weight = np.ones((128, 64), np.int8)  # largest weight and largest bias lie in different channels
    weight[7] = 127
    bias = np.zeros(128, np.int32)
    bias[8] = (1 << 26) - 1 - 128 * 64
    fc1(model.graph, weight=weight, bias=bias)


def test_model_file_round_trip(model: ir.QuantModel, tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    model.save(path)
    again = ir.QuantModel.load(path)
    image = random_image(DIMS)
    for task in ("task0", "task1"):
        a, b = ir.execute(model.graph, image, task), ir.execute(again.graph, image, task)
        assert (a.output == b.output).all() and (a.features == b.features).all()
    assert again.untrained and again.graph.tasks == model.graph.tasks and again.config == model.config


def test_model_file_errors(model: ir.QuantModel, tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    with pytest.raises(ir.ModelFileError, match="does not exist"):
        ir.QuantModel.load(path)
    model.save(path)
    data = path.read_bytes()
    bad = tmp_path / "bad.safetensors"
    for length in (0, 5, 1000, len(data) - 1):
        bad.write_bytes(data[:length])
        with pytest.raises(ir.ModelFileError, match="truncated or corrupted"):
            ir.QuantModel.load(bad)
    flipped = bytearray(data)
    flipped[-100] ^= 1
    bad.write_bytes(flipped)
    with pytest.raises(ir.ModelFileError, match=r"corrupted: checksum [0-9a-f]{16}, expected"):
        ir.QuantModel.load(bad)


def test_model_file_of_another_version_or_format(model: ir.QuantModel, tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    model.save(path)
    with safe_open(str(path), framework="numpy") as file:
        metadata = file.metadata()
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    save_file(tensors, str(path), {**metadata, "version": "99"})
    with pytest.raises(
        ir.ModelFileError, match="has version '99', this program reads 1, 2, 3, 4, 5, 6; quantize it again"
    ):
        ir.QuantModel.load(path)
    save_file(tensors, str(path), {"format": "pt"})
    with pytest.raises(ir.ModelFileError, match="format is 'pt'"):
        ir.QuantModel.load(path)


def test_model_file_whose_graph_breaks_a_rule(model: ir.QuantModel, tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    model.save(path)
    with safe_open(str(path), framework="numpy") as file:
        metadata = file.metadata()
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    metadata["model"] = metadata["model"].replace('"top_k": 2', '"top_k": 5')
    metadata["sha256"] = checksum(metadata["model"], tensors)
    save_file(tensors, str(path), metadata)
    with pytest.raises(ir.GraphError, match=r"'router_1': top_k = 5, must be 1\.\.4 for 4 experts"):
        ir.QuantModel.load(path)


def test_a_random_model_whose_experts_are_dead_on_its_images() -> None:
    """Their outputs are zero, which no scale spreads over a range."""
    dims = Dims(
        height=8, width=8, patch=8, d=30, layers=2, hidden=4, experts=1, top_k=1, expert_hidden=4, prefix=0,
        channels=1, expert_bits=4, activation="relu",
    )  # fmt: skip
    for seed in (876038318, *range(40)):
        random_model(dims, seed)
