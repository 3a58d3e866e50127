# SPDX-License-Identifier: Apache-2.0
"""Ways to write the same network: each gives the same integer graph, to the last bit and name."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

onnx = pytest.importorskip("onnx", reason="reading QONNX needs the extra 'models'")

from onnx import helper  # noqa: E402

from peritus.frontends.equivalence import compare  # noqa: E402
from peritus.frontends.errors import UnsupportedLayerError  # noqa: E402
from peritus.frontends.onnx_graph import OnnxGraph  # noqa: E402
from peritus.frontends.qonnx import lower, lower_graph  # noqa: E402

pytestmark = pytest.mark.models


def _replaced(repeated: Any, items: list[Any]) -> None:
    items = [copy.deepcopy(item) for item in items]
    del repeated[:]
    repeated.extend(items)


def outputs_reordered(model: Any) -> None:
    features, semseg, depth = model.graph.output
    _replaced(model.graph.output, [features, depth, semseg])


def outputs_reversed(model: Any) -> None:
    _replaced(model.graph.output, list(model.graph.output)[::-1])


def initializers_shuffled(model: Any) -> None:
    items = list(model.graph.initializer)
    random.Random(0).shuffle(items)
    _replaced(model.graph.initializer, items)


def nodes_reordered(model: Any) -> None:
    """Depth first from the last node: another topological order."""
    producers = {name: node for node in model.graph.node for name in node.output}
    order: list[Any] = []
    seen: set[str] = set()
    pending = [(node, False) for node in model.graph.node]
    while pending:
        node, complete = pending.pop()
        if complete:
            order.append(node)
        elif node.output[0] not in seen:
            seen.add(node.output[0])
            pending.append((node, True))
            pending += [(producers[name], False) for name in node.input if name in producers]
    _replaced(model.graph.node, order)


def everything_renamed(model: Any) -> None:
    names: dict[str, str] = {}

    def renamed(name: str) -> str:
        return names.setdefault(name, f"t{len(names)}") if name else name

    for index, node in enumerate(model.graph.node):
        node.name = f"n{index}"
        node.input[:] = map(renamed, node.input)
        node.output[:] = map(renamed, node.output)
    graph = model.graph
    for value in (*graph.input, *graph.output, *graph.initializer, *graph.value_info):
        value.name = renamed(value.name)


def names_removed(model: Any) -> None:
    for node in model.graph.node:
        node.name = ""


def shapes_removed(model: Any) -> None:
    del model.graph.value_info[:]


def shapes_inferred(model: Any) -> Any:
    shapes_removed(model)
    return onnx.shape_inference.infer_shapes(model)


def batch_left_open(model: Any) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "batch"


def constants_as_nodes(model: Any) -> None:
    nodes = [helper.make_node("Constant", [], [t.name], value=t) for t in model.graph.initializer]
    _replaced(model.graph.node, [*nodes, *model.graph.node])
    del model.graph.initializer[:]


def identities(model: Any) -> None:
    nodes: list[Any] = []
    for node in model.graph.node:
        nodes.append(node)
        name = node.output[0]
        node.output[0] = f"{name}_before"
        nodes.append(helper.make_node("Identity", [node.output[0]], [name]))
    _replaced(model.graph.node, nodes)


def operands_swapped(model: Any) -> None:
    for node in model.graph.node:
        if node.op_type in ("Add", "Mul"):
            node.input[:] = list(node.input)[::-1]


def qonnx_cleanup(model: Any) -> Any:
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.util.cleanup import cleanup_model

    return cleanup_model(ModelWrapper(model)).model


def optimized(model: Any) -> Any:
    import onnxoptimizer

    identities(model)  # something to optimize
    return onnxoptimizer.optimize(model, onnxoptimizer.get_fuse_and_elimination_passes())


def optimized_by_onnxscript(model: Any) -> Any:
    from onnxscript import optimizer

    identities(model)
    return optimizer.optimize(model)


REWRITES = (
    outputs_reordered,
    outputs_reversed,
    initializers_shuffled,
    nodes_reordered,
    everything_renamed,
    names_removed,
    shapes_removed,
    shapes_inferred,
    batch_left_open,
    constants_as_nodes,
    identities,
    operands_swapped,
    qonnx_cleanup,
    optimized,
    optimized_by_onnxscript,
)


@pytest.mark.parametrize("gate", ["multi_gate", "task_conditioned"])
@pytest.mark.parametrize("rewrite", REWRITES, ids=lambda rewrite: rewrite.__name__)
def test_same_network(
    exported: Callable[..., bytes], fingerprint: Callable[..., str], rewrite: Callable[[Any], Any], gate: str
) -> None:
    original = onnx.ModelProto.FromString(exported(gate))
    changed = copy.deepcopy(original)
    changed = rewrite(changed) or changed
    assert changed.SerializeToString() != original.SerializeToString()
    assert fingerprint(lower(changed)) == fingerprint(lower(original))


def test_external_data(network: Any, fingerprint: Callable[..., str], tmp_path: Path) -> None:
    before = fingerprint(lower(network))
    file = tmp_path / "net.onnx"
    onnx.save(network, file, save_as_external_data=True, location="net.data", size_threshold=0)
    assert fingerprint(lower(onnx.load(file))) == before


def test_reordered_outputs_keep_their_gates(network: Any) -> None:
    """Every task by itself against QONNX: with the other task's gates its experts would be others."""
    outputs_reordered(network)
    qonnx_cleaned = qonnx_cleanup(network)
    g = OnnxGraph(qonnx_cleaned)
    lowered = lower_graph(g)
    assert [task.name for task in lowered.graph.tasks] == ["semseg", "depth"]
    assert [bool(task.classes) for task in lowered.graph.tasks] == [True, False]
    assert {row.task for row in compare(g, lowered)} == {"semseg", "depth"}


def _without_task_nodes(model: Any) -> None:
    """As exports were before: what a map belongs to is said by its output's name, in the metadata."""
    named = {node.output[0]: node for node in model.graph.node if node.op_type == "Task"}
    for node in model.graph.node:
        node.output[:] = [
            next((out for out, task in named.items() if task.input[0] == name and node is not task), name)
            for name in node.output
        ]
    _replaced(model.graph.node, [node for node in model.graph.node if node.op_type != "Task"])


def test_older_exports_name_their_tasks_in_the_metadata(
    network: Any, fingerprint: Callable[..., str]
) -> None:
    before = fingerprint(lower(network))
    classes = list(lower(network).tasks[0].classes)
    _without_task_nodes(network)
    outputs_reordered(network)
    tasks = [
        {"name": "semseg", "kind": "segmentation", "classes": classes},
        {"name": "depth", "kind": "depth", "classes": []},
    ]
    model = copy.deepcopy(network)
    model.metadata_props.add(key="peritus.tasks", value=json.dumps(tasks))
    assert fingerprint(lower(model)) == before
    with pytest.raises(UnsupportedLayerError, match="nothing says which task each belongs to"):
        lower(network)
    with pytest.raises(
        UnsupportedLayerError, match=r"output 'global_out_\d' is none of the tasks semseg, depth"
    ):
        lower(qonnx_cleanup(model))
