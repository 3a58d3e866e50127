# SPDX-License-Identifier: Apache-2.0
"""Networks of stock Brevitas layers: read, compared with QONNX's own execution, and refused by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

torch = pytest.importorskip("torch", reason="exports need the extra 'models'")
onnx = pytest.importorskip("onnx", reason="reading QONNX needs the extra 'models'")

from onnx import ModelProto, helper, numpy_helper  # noqa: E402

import peritus  # noqa: E402
from peritus.frontends.equivalence import compare  # noqa: E402
from peritus.frontends.errors import UnsupportedLayerError, label  # noqa: E402
from peritus.frontends.execution import Execution  # noqa: E402
from peritus.frontends.onnx_graph import OnnxGraph  # noqa: E402
from peritus.frontends.qonnx import lower, lower_graph  # noqa: E402
from peritus.frontends.qonnx_file import read_qonnx  # noqa: E402
from peritus.frontends.report import report  # noqa: E402
from peritus.image import fit_image  # noqa: E402
from peritus.ir import Attention, Head, LayerNorm, Linear, execute  # noqa: E402
from quant_models.data.scenes import SPLITS, generate  # noqa: E402
from quant_models.network.config import M3VIT_MICRO, TaskConfig  # noqa: E402
from quant_models.network.init import procedural_images, training_start  # noqa: E402
from quant_models.network.weights import load_weights  # noqa: E402
from quant_models.quantization.quantize import to_float  # noqa: E402
from tests.frontends.stock import Style, exported_stock  # noqa: E402
from tests.frontends.test_contract import SYNONYMS, changes_without_effect  # noqa: E402
from tests.frontends.test_rewrites import REWRITES, outputs_reordered, outputs_reversed  # noqa: E402

pytestmark = pytest.mark.models

DENSE = replace(M3VIT_MICRO, name="stock", n_layers=2, moe_layers=())
CLASSES = replace(DENSE, tasks=(TaskConfig("classes", "classification", 5),))
STYLES = {
    "reshape": (CLASSES, Style()),
    "maps": (DENSE, Style()),
    "chunk": (CLASSES, Style(attention="chunk", weights="tensor", narrow=True)),
    "separate": (DENSE, Style(attention="separate", stream_bits=8)),
    "mha": (CLASSES, Style(attention="mha")),
    "relu": (replace(CLASSES, n_layers=1), Style(relu=True, probability_bits=16)),
}


@pytest.fixture(scope="module")
def stock() -> Callable[[str], ModelProto]:
    """`stock(style)`: a fresh copy of a small network written in a style of STYLES."""
    built: dict[str, bytes] = {}

    def build(name: str) -> ModelProto:
        if name not in built:
            config, style = STYLES[name]
            file = exported_stock(training_start(config).eval(), procedural_images(config, 8, seed=1), style)
            built[name] = file.SerializeToString()
        return ModelProto.FromString(built[name])

    return build


@pytest.mark.parametrize("name", STYLES)
def test_every_style_is_read(stock: Callable[[str], ModelProto], name: str) -> None:
    config, style = STYLES[name]
    g = OnnxGraph(stock(name))
    lowered = lower_graph(g)
    for row in compare(g, lowered):
        print(f"{name}: task {row.task}: {row.what}: {row.snr_db:.1f} dB, at least {row.bound_db:g}")
    graph = lowered.graph
    assert {task.name: task.kind for task in graph.tasks} == {task.name: task.kind for task in config.tasks}
    kinds = [type(node) for node in graph.nodes]
    assert kinds.count(Attention) == config.n_layers
    assert kinds.count(LayerNorm) == 2 * config.n_layers + 1  # equal norms of two heads are exported as one
    hidden = [node for node in graph.nodes if isinstance(node, Linear) and node.name.endswith("fc1")]
    assert {node.function for node in hidden} == {"relu" if style.relu else "gelu"}
    heads = [node.name for node in graph.nodes if isinstance(node, Head)]
    assert heads == [f"decoders.{name}.head" for name in sorted(config.task_names)]


@pytest.mark.parametrize("dynamo", [True, False])
def test_gelu_spelled_out(
    stock: Callable[[str], ModelProto], fingerprint: Callable[..., str], dynamo: bool
) -> None:
    """As both exporters write it for operator sets before 20: the half inside of the product, or behind."""
    config, style = STYLES["reshape"]
    images = procedural_images(config, 8, seed=1)
    options = {"opset_version": 18, "dynamo": dynamo}
    file = exported_stock(training_start(config).eval(), images, style, **options)
    operators = [node.op_type for node in file.graph.node]
    assert operators.count("Erf") == config.n_layers and "Gelu" not in operators
    g = OnnxGraph(file)
    lowered = lower_graph(g)
    assert fingerprint(lowered.graph) == fingerprint(lower(stock("reshape")))
    compare(g, lowered)
    became = {row.became for row in report(file, g, lowered.values) if row.operator in ("Erf", "Div")}
    assert became == {f"blocks.{index}.mlp.fc1" for index in range(config.n_layers)}


@pytest.mark.parametrize("order", ["half x", "half sum", "half last", "reversed"])
def test_gelu_in_any_order(
    stock: Callable[[str], ModelProto], fingerprint: Callable[..., str], order: str
) -> None:
    file = stock("reshape")
    _spell_out(file, order)
    assert fingerprint(lower(file)) == fingerprint(lower(stock("reshape")))


def test_gelu_of_a_multiple(stock: Callable[[str], ModelProto], fingerprint: Callable[..., str]) -> None:
    """A constant factor in front of it is no part of the formula."""
    files = [stock("reshape"), stock("reshape")]
    for file in files:
        index, gelu = next((i, node) for i, node in enumerate(file.graph.node) if node.op_type == "Gelu")
        file.graph.initializer.append(numpy_helper.from_array(np.float32(0.75), "three quarters"))
        file.graph.node.insert(index, helper.make_node("Mul", [gelu.input[0], "three quarters"], ["less"]))
        gelu.input[0] = "less"
    _spell_out(files[1], "half x")
    assert (
        fingerprint(lower(files[0])) == fingerprint(lower(files[1])) != fingerprint(lower(stock("reshape")))
    )


@pytest.mark.parametrize("constant", ["root", "one", "half"])
def test_what_only_looks_like_gelu_is_refused(stock: Callable[[str], ModelProto], constant: str) -> None:
    file = stock("reshape")
    _spell_out(file, "half last", **{constant: 1.25})
    with pytest.raises(UnsupportedLayerError, match=r"'gelu[^']*' \((Erf|Mul)\)"):
        lower(file)


def _spell_out(
    file: ModelProto, order: str, root: float = 2**0.5, one: float = 1.0, half: float = 0.5
) -> None:
    """Every Gelu by the formula, its factors in this order."""
    nodes: list[Any] = []
    for node in file.graph.node:
        if node.op_type != "Gelu":
            nodes.append(node)
            continue
        (x,), (y,) = node.input, node.output
        values = {"root": 1 / root if order == "reversed" else root, "one": one, "half": half}
        for name, value in values.items():
            file.graph.initializer.append(numpy_helper.from_array(np.float32(value), f"{y}/{name}"))
        steps = {
            "half x": [("Mul", x, "half", "a"), ("Mul", "a", "sum", "")],
            "half sum": [("Mul", "sum", "half", "a"), ("Mul", "a", x, "")],
            "half last": [("Mul", x, "sum", "a"), ("Mul", "a", "half", "")],
            "reversed": [("Mul", "half", "sum", "a"), ("Mul", "a", x, "")],
        }[order]
        first = ("Mul", "root", x, "scaled") if order == "reversed" else ("Div", x, "root", "scaled")
        total = ("Add", "one", "erf", "sum") if order == "reversed" else ("Add", "erf", "one", "sum")
        for op_type, *names in (first, ("Erf", "scaled", "erf"), total, *steps):
            tensors = [name if name == x else f"{y}/{name}".rstrip("/") for name in names]
            nodes.append(helper.make_node(op_type, tensors[:-1], tensors[-1:], tensors[-1]))
    copies = [type(node).FromString(node.SerializeToString()) for node in nodes]
    del file.graph.node[:]
    file.graph.node.extend(copies)


def test_from_the_file_to_a_device(stock: Callable[[str], ModelProto], tmp_path: Path) -> None:
    onnx.save(stock("mha"), tmp_path / "net.onnx")
    model = peritus.load_model(tmp_path / "net.onnx")
    bundle = peritus.compile(model, hw="zcu104")
    frame = np.random.default_rng(0).integers(0, 256, (32, 64, 3), dtype=np.uint8)
    with peritus.open_device("iss", hw="zcu104") as device:
        device.load(bundle)
        result = device.run(frame, task="classes")
    expected = execute(model.graph, frame, "classes").output
    assert expected.shape == (1, 1, 5)
    assert np.array_equal(result.outputs["classes"], expected)


def test_all_ways_to_write_it_are_one(
    stock: Callable[[str], ModelProto], fingerprint: Callable[..., str]
) -> None:
    before = fingerprint(lower(stock("reshape")))
    for rewrite in REWRITES:
        if rewrite in (outputs_reordered, outputs_reversed):
            continue  # of networks with features and two maps
        changed = stock("reshape")
        changed = rewrite(changed) or changed
        changed = _output_renamed(changed, "classes")  # which is the name of its task
        assert fingerprint(lower(changed)) == before, rewrite.__name__


def _output_renamed(model: ModelProto, name: str) -> ModelProto:
    old = model.graph.output[0].name
    for node in model.graph.node:
        node.output[:] = [name if output == old else output for output in node.output]
    model.graph.output[0].name = name
    return model


def test_every_attribute_of_every_node_counts(
    stock: Callable[[str], ModelProto], fingerprint: Callable[..., str]
) -> None:
    """As of our own exports (`test_contract`)."""
    ignored, _ = changes_without_effect(stock("relu"), fingerprint)
    assert sorted(ignored - SYNONYMS) == []


def test_a_missing_quantizer_is_named(stock: Callable[[str], ModelProto]) -> None:
    """Of every activation: the node that then reads a float value, and what is missing."""
    model = stock("reshape")
    constants = {tensor.name for tensor in model.graph.initializer}
    for index, node in enumerate(model.graph.node):
        if node.op_type != "Quant" or node.input[0] in constants:
            continue
        changed = stock("reshape")
        changed.graph.node[index].CopyFrom(helper.make_node("Identity", node.input[:1], node.output[:1]))
        readers = [label(other) for other in model.graph.node if node.output[0] in other.input]
        with pytest.raises(UnsupportedLayerError, match="quantizer is missing") as error:
            lower(changed)
        assert any(
            repr(reader) in str(error.value) for reader in _behind_moves(model, readers, node.output[0])
        )


def _behind_moves(model: ModelProto, readers: list[str], tensor: str) -> list[str]:
    """The readers, and who reads what they move."""
    found = list(readers)
    for node in model.graph.node:
        if label(node) in readers and node.op_type in ("Transpose", "Gather", "Slice", "Reshape"):
            found += [label(other) for other in model.graph.node if node.output[0] in other.input]
    return found


def test_hidden_values_of_eight_unsigned_bits_are_refused(stock: Callable[[str], ModelProto]) -> None:
    model = stock("relu")
    relu = next(node for node in model.graph.node if node.op_type == "Relu")
    quant = next(node for node in model.graph.node if relu.output[0] in node.input)
    model.graph.initializer.append(numpy_helper.from_array(np.float32(8), "eight"))
    quant.input[3] = "eight"
    with pytest.raises(UnsupportedLayerError, match=rf"{quant.name}.*uint8 .*, expected uint7 with one"):
        lower(model)


def test_a_wrong_head_is_noticed(stock: Callable[[str], ModelProto], tmp_path: Path) -> None:
    """Heads merged in another order of tokens: legal ONNX, which the integer graph cannot express."""
    model = stock("separate")
    merge = next(
        node
        for node in model.graph.node
        if node.op_type == "Transpose"
        and list(node.attribute[0].ints) == [0, 2, 1, 3]
        and any(node.output[0] in other.input and other.op_type == "Reshape" for other in model.graph.node)
    )
    merge.attribute[0].ints[:] = [0, 1, 2, 3]
    onnx.save(model, tmp_path / "net.onnx")
    with pytest.raises(UnsupportedLayerError):
        read_qonnx(tmp_path / "net.onnx")


@pytest.mark.long
def test_the_trained_dense_network(repository: Path, tmp_path: Path) -> None:
    """Maps of unseen scenes: integers against QONNX's execution of the file as it is, and both against float.

    The segmentation agrees to 40 dB. The file's depth is itself no closer than that to the float network: its
    softmax is rounded to 1/255, that of the accelerator is finer. So there the integers may not be worse.
    """
    net = load_weights(repository / "quant_models/trained/vit_tiny_dense.float16.safetensors")
    height, width = net.config.image_height, net.config.image_width

    def scenes(split: str, count: int) -> list[npt.NDArray[np.uint8]]:
        return [fit_image(generate(SPLITS[split] + i).image, height, width) for i in range(count)]

    images = to_float(np.stack(scenes("val", 16)), net.config)
    onnx.save(exported_stock(net, images), tmp_path / "net.onnx")
    imported = read_qonnx(tmp_path / "net.onnx")
    for row in imported.agreement:
        print(f"task {row.task}: {row.what}: {row.snr_db:.1f} dB, at least {row.bound_db:g}")
    graph = imported.model.graph
    g = OnnxGraph(onnx.load(tmp_path / "net.onnx"))
    execution = Execution(g, lower_graph(g).pixel_scale)
    for number, scene in enumerate(scenes("test", 2)):
        found = execution.run(0, scene)
        for task in graph.tasks:
            with torch.no_grad():
                exact = net(to_float(scene[None], net.config), task.name)[0].numpy()
            file = found[task.name][0]
            ours = execute(graph, scene, task.name).output.transpose(2, 0, 1) * task.scale
            agreement = _snr(file, ours)
            print(
                f"scene {number}, {task.name}: integers against QONNX {agreement:.1f} dB; against the float "
                f"network integers {_snr(exact, ours):.1f} dB, QONNX {_snr(exact, file):.1f} dB"
            )
            if task.name == "semseg":
                assert agreement >= 40
            assert _snr(exact, ours) >= _snr(exact, file) - 1


def _snr(reference: npt.NDArray[Any], found: npt.NDArray[Any]) -> float:
    return float(10 * np.log10(np.square(reference).sum() / np.square(found - reference).sum()))
