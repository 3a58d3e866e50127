# SPDX-License-Identifier: Apache-2.0
"""Outputs of a QONNX graph: which is the residual stream, which are maps, and which task each map belongs to.

A map says its task by a Task operator (`task_format`). Files without it say it in the model's metadata, by
the names of the outputs. Where neither does, one map is one task; several are refused, because their order
says nothing about the gates they belong to.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, get_args

from onnx import NodeProto

from peritus.frontends.errors import UnsupportedLayerError, unsupported
from peritus.frontends.foreign import ROAD
from peritus.frontends.onnx_graph import OnnxGraph
from peritus.frontends.operators import attributes
from peritus.frontends.task_format import TASK
from peritus.schema import Name, SchemaError, checked, read_json
from peritus.tasks import TaskKind

TASKS_KEY = (
    "peritus.tasks"  # metadata of older exports: JSON list of {name, kind, classes} in the gates' order
)


@dataclass(frozen=True)
class _Task:
    """Of the metadata; a missing kind is refused with those that there are."""

    name: Name
    kind: Name = ""
    classes: tuple[Name, ...] = ()


@dataclass(frozen=True)
class _Listed:
    tasks: tuple[_Task, ...]


@dataclass(frozen=True)
class MapOutput:
    """One task's map: an output of the file, computed by `tensor`.

    index: value of the task input. kind: None where the file does not say it. host: rows, columns, channels
    of a map that the host computes of the residual stream, which `tensor` then is; else empty.
    """

    output: str
    tensor: str
    index: int
    name: str
    kind: TaskKind | None
    classes: tuple[str, ...]
    host: tuple[int, ...] = ()


def outputs(g: OnnxGraph) -> tuple[str | None, list[MapOutput]]:
    """The tensor of the output that is the residual stream, if there is one, and the maps by ascending index.

    Raises:
        UnsupportedLayerError: several outputs of rank 3, no map (rank 4, or logits of rank 2), or maps
        without tasks.
    """
    flat = [(name, tensor) for name, tensor in g.outputs if len(g.shape(tensor)) == 3]
    named_flat = [(name, tensor) for name, tensor in flat if _task_node(g, tensor) is not None]
    streams = [tensor for name, tensor in flat if (name, tensor) not in named_flat]
    maps = [(name, tensor) for name, tensor in g.outputs if len(g.shape(tensor)) in (2, 4)] + named_flat
    if len(streams) > 1 or not maps or len(g.outputs) != len(streams) + len(maps):
        described = ", ".join(f"{name} {g.shape(tensor)}" for name, tensor in g.outputs)
        raise UnsupportedLayerError(
            f"outputs {described}: expected maps of rank 4 or logits of rank 2, at least one, and at most "
            f"one residual stream of rank 3; {ROAD}"
        )
    described_by_node = [_from_node(g, name, tensor) for name, tensor in maps]
    named = [found for found in described_by_node if found is not None]
    if not named:
        named = _from_metadata(g, maps)
    elif len(named) != len(maps):
        name = maps[described_by_node.index(None)][0]
        raise UnsupportedLayerError(f"output {name!r} does not come from a {TASK} node, others do")
    named.sort(key=lambda found: found.index)
    indices, names = [found.index for found in named], [found.name for found in named]
    if indices != list(range(len(named))) or len(set(names)) != len(names):
        raise UnsupportedLayerError(
            f"tasks {names} have indices {indices}, expected 0 to {len(named) - 1}, distinct names"
        )
    return (streams or [None])[0], named


def _from_node(g: OnnxGraph, output: str, tensor: str) -> MapOutput | None:
    node = _task_node(g, tensor)
    if node is None:
        return None
    values = attributes(node)
    host = values["host"]
    if (len(g.shape(tensor)) == 3) != bool(host) or (host and (len(host) != 3 or min(host) < 1)):
        raise unsupported(
            node,
            f"host = {host} on {g.shape(tensor)}, expected rows, columns, channels, "
            "and on the residual stream only",
        )
    try:
        return _described(output, str(node.input[0]), values["index"], values)
    except UnsupportedLayerError as error:
        raise unsupported(node, str(error)) from None


def _task_node(g: OnnxGraph, tensor: str) -> NodeProto | None:
    node = g.find(tensor)
    return node if node is not None and node.op_type == TASK else None


def _from_metadata(g: OnnxGraph, maps: list[tuple[str, str]]) -> list[MapOutput]:
    if TASKS_KEY not in g.metadata:
        if len(g.inputs) == 1:  # no task input: no gates, which the maps would have to be matched with
            return [
                MapOutput(*pair, index, _name(pair[0], index), None, ())
                for index, pair in enumerate(sorted(maps))
            ]
        if len(maps) > 1:
            raise UnsupportedLayerError(
                f"outputs {[name for name, _ in maps]}: nothing says which task each belongs to; export the "
                f"network again (its maps then come from {TASK} nodes), or add the metadata {TASKS_KEY!r}"
            )
        ((name, tensor),) = maps
        return [MapOutput(name, tensor, 0, name, None, ())]
    try:
        listed = checked(_Listed, {"tasks": read_json(g.metadata[TASKS_KEY])}).tasks
    except SchemaError as error:
        raise UnsupportedLayerError(f"metadata {TASKS_KEY!r} is no list of tasks: {error}") from None
    tasks = {task.name: (index, vars(task)) for index, task in enumerate(listed)}
    found = []
    for name, tensor in maps:
        if name not in tasks:
            raise UnsupportedLayerError(
                f"output {name!r} is none of the tasks {', '.join(tasks)} of the metadata {TASKS_KEY!r}: "
                "it was renamed, and nothing else says which task it belongs to"
            )
        found.append(_described(name, tensor, *tasks[name]))
    return found


def _name(output: str, index: int) -> str:
    """A task's name, of an output's: that of a tensor says nothing."""
    return output if output.isidentifier() else f"output{index}"


def _described(output: str, tensor: str, index: int, values: dict[str, Any]) -> MapOutput:
    name, said = values.get("name"), values.get("kind", "")
    classes = values.get("classes", ())
    if not isinstance(name, str) or not name.isidentifier():
        raise UnsupportedLayerError(f"task name {name!r} is no identifier")
    kind: TaskKind | None = next((kind for kind in get_args(TaskKind) if kind == said), None)
    if kind is None:
        raise UnsupportedLayerError(
            f"task {name!r}: kind {said!r}, expected {' or '.join(get_args(TaskKind))}"
        )
    if not isinstance(classes, list | tuple) or not all(isinstance(item, str) for item in classes):
        raise UnsupportedLayerError(f"task {name!r}: classes {classes!r} are no list of names")
    return MapOutput(output, tensor, index, name, kind, tuple(classes), tuple(values.get("host", ())))
