# SPDX-License-Identifier: Apache-2.0
"""The host's part of a network: what it must be, and what happens where it is not."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnxruntime", reason="the host's part needs ONNX Runtime")

from onnx import NodeProto, TensorProto, helper

import peritus
from peritus import ir
from peritus.bundle import Bundle, BundleError
from peritus.compiler.errors import CompileError
from peritus.ir.random_model import Dims, random_image, random_model
from peritus.tail import HostTail, TailError, TailSession

DIMS = Dims(layers=1, d=16, heads=1, hidden=16, height=16, width=32, task_channels=(2,))


def tail(name: str = "sums", entry: str = "features", channels: int = 16) -> HostTail:
    """Sums over the tokens: (1, N, d) -> [1, 1, channels]."""
    graph = helper.make_graph(
        [helper.make_node("ReduceSum", [entry, "axis"], [name], keepdims=1)],
        "sums",
        [helper.make_tensor_value_info(entry, TensorProto.FLOAT, [1, "tokens", channels])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 1, channels])],
        [helper.make_tensor("axis", TensorProto.INT64, [1], [1])],
    )
    opsets = [helper.make_opsetid("", 17)]
    return HostTail(helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString())


def model(part: HostTail | None) -> ir.QuantModel:
    """One task with a head, and one that the host computes."""
    base = random_model(DIMS)
    graph = base.graph
    hosted = ir.Task("sums", "embedding", 16, 1.0, host=(1, 1))
    tasks = (*graph.tasks, hosted)
    both = ir.Graph(graph.image_height, graph.image_width, graph.nodes, tasks, graph.features, 2.0**-10)
    return replace(base, graph=both, tail=part)


@pytest.mark.parametrize("device", ["iss", "rtl"])
def test_beside_a_head(device: str, tmp_path: Path) -> None:
    model(tail()).save(tmp_path / "m.safetensors")
    bundle = peritus.compile(peritus.load_model(tmp_path / "m.safetensors"), hw="nano")
    bundle.save(tmp_path / "m.bundle")
    image = random_image(DIMS)
    expected = ir.execute(model(tail()).graph, image, "sums")
    assert expected.output is None
    with peritus.open_device(device, hw="nano") as opened:
        opened.load(Bundle.load(tmp_path / "m.bundle"))
        first, second = opened.run_batch([image, image], ["task0", "sums"])
    assert list(first.outputs) == ["task0"]
    assert first.host_map is None
    assert first.raw_features is None  # nobody asked
    assert second.outputs == {}
    assert second.dequantized().shape == (1, 1, 16)
    assert np.array_equal(second.raw_features, expected.features)
    sums = (expected.features * 2.0**-10).sum(axis=0, dtype=np.float32)
    np.testing.assert_allclose(second.dequantized()[0, 0], sums, rtol=1e-4, atol=1e-3)


def test_what_it_must_be(monkeypatch: pytest.MonkeyPatch) -> None:
    features = np.zeros((3, 16), np.float32)
    session = tail().open()
    assert session is tail().open()
    with pytest.raises(TailError, match="computes sums, not 'other'"):
        session.run(features, "other", (1, 1, 16))
    with pytest.raises(TailError, match=r"'sums' of shape \(1, 1, 16\), must be \(2, 1, 16\)"):
        session.run(features, "sums", (2, 1, 16))
    with pytest.raises(TailError, match="the host's part fails"):
        session.run(np.zeros((3, 5), np.float32), "sums", (1, 1, 16))
    with pytest.raises(TailError, match=r"reads \['x'\], must read 'features' alone"):
        TailSession(tail(entry="x").model)
    with pytest.raises(TailError, match="ONNX Runtime refuses"):
        TailSession(tail().model[:-9])
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(TailError, match="pip install onnxruntime"):
        TailSession(tail().model)


def test_without_it() -> None:
    with pytest.raises(CompileError, match="the host computes sums, by a part that the model lacks"):
        peritus.compile(model(None), hw="nano")
    bundle = peritus.compile(model(tail()), hw="nano")
    with pytest.raises(BundleError, match="cannot be written: a task of the host without the part"):
        replace(bundle, tail=None).to_bytes()
    with peritus.open_device("iss", hw="nano") as device:
        device.load(peritus.compile(random_model(DIMS), hw="nano"))
        with pytest.raises(TailError, match="ONNX Runtime refuses"):
            device.load(replace(bundle, tail=HostTail(b"nonsense")))
        assert device.run(random_image(DIMS), task="task0").outputs["task0"].size  # what was loaded stays


def test_a_task_of_the_host_has_no_head() -> None:
    base = random_model(DIMS).graph
    hosted = replace(base.tasks[0], host=(1, 1))
    with pytest.raises(ir.GraphError, match="the task has 1 heads, must be 0"):
        ir.Graph(base.image_height, base.image_width, base.nodes, (hosted,), base.features, 1.0)
    for host in ((0, 1), (1,)):
        task = ir.Task("sums", "embedding", 16, 1.0, host=host)  # type: ignore[arg-type]
        with pytest.raises(ir.GraphError, match="rows and columns on the host"):
            ir.Graph(base.image_height, base.image_width, base.nodes, (*base.tasks, task), base.features, 1.0)


def graph_of(nodes: list[NodeProto], constants: list[TensorProto]) -> HostTail:
    entry = helper.make_tensor_value_info("features", TensorProto.FLOAT, [1, "tokens", 16])
    output = helper.make_tensor_value_info("sums", TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, "sums", [entry], [output], constants)
    opsets = [helper.make_opsetid("", 17)]
    return HostTail(helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString())


@pytest.mark.parametrize("rows", [1 << 26, 1 << 40, 1 << 58])  # of 64 bytes: 4 GiB, and beyond 64 bits
@pytest.mark.parametrize("constant", [False, True])
def test_memory_is_bounded(rows: int, constant: bool) -> None:
    """A few bytes that ask for terabytes, of what is computed and of what is folded at the start."""
    source = "one" if constant else "features"
    nodes = [
        helper.make_node("Expand", [source, "shape"], ["wide"]),
        helper.make_node("ReduceSum", ["wide"], ["sum"], keepdims=0),
        helper.make_node("Add", ["features", "sum"], ["sums"]),
    ]
    sizes = [rows, 1, 16]
    part = graph_of(
        nodes,
        [
            helper.make_tensor("shape", TensorProto.INT64, [3], sizes),
            helper.make_tensor("one", TensorProto.FLOAT, [1, 1, 16], [1.0] * 16),
        ],
    )
    with pytest.raises(TailError, match=r"GiB|overflow|Integer|size"):
        TailSession(part.model).run(np.ones((4, 16), np.float32), "sums", (1, 4, 16))
    TailSession(tail().model).run(np.ones((4, 16), np.float32), "sums", (1, 1, 16))  # the next one lives


def test_memory_of_shapes_is_bounded() -> None:
    """A shape of 2^40 numbers, which ONNX Runtime writes down when it opens the graph."""
    nodes = [
        helper.make_node("Shape", ["features"], ["shape"]),
        helper.make_node("Reshape", ["shape", "long"], ["shapes"]),
        helper.make_node("Expand", ["features", "shapes"], ["sums"]),
    ]
    part = graph_of(nodes, [helper.make_tensor("long", TensorProto.INT64, [1], [1 << 40])])
    with pytest.raises(TailError, match="its shapes alone need more than 3 GiB"):
        TailSession(part.model)


def test_time_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    scalar = lambda name, kind: helper.make_tensor_value_info(name, kind, [])  # noqa: E731
    body = helper.make_graph(
        [helper.make_node("Identity", ["again"], ["more"]), helper.make_node("Neg", ["x"], ["y"])],
        "body",
        [scalar("i", TensorProto.INT64), scalar("again", TensorProto.BOOL), scalar("x", TensorProto.FLOAT)],
        [scalar("more", TensorProto.BOOL), scalar("y", TensorProto.FLOAT)],
    )
    for graph in (body.input[2], body.output[1]):
        graph.type.tensor_type.ClearField("shape")
    part = graph_of(
        [helper.make_node("Loop", ["count", "true", "features"], ["sums"], body=body)],
        [
            helper.make_tensor("count", TensorProto.INT64, [], [1 << 60]),
            helper.make_tensor("true", TensorProto.BOOL, [], [True]),
        ],
    )
    monkeypatch.setattr("peritus.tail.SECONDS", 0.5)
    with pytest.raises(TailError, match=r"not done after 0\.5 s"):
        TailSession(part.model).run(np.ones((4, 16), np.float32), "sums", (1, 4, 16))
