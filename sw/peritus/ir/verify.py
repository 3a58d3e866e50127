# SPDX-License-Identifier: Apache-2.0
"""Every rule of the integer graph, in one place. A graph that passes overflows on no image."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from peritus.ir.ops import (
    OPS,
    Add,
    Affine,
    Attention,
    Experts,
    Head,
    LayerNorm,
    Linear,
    Node,
    PatchEmbed,
    Requant,
    Router,
)
from peritus.ir.task import Task
from peritus.ir.types import IMAGE, GraphError, Kind, TensorType
from peritus.reference import ACTIVATIONS, HIDDEN_ZERO_POINT
from peritus.reference.linear import ACTIVATION_PEAK
from peritus.reference.requantize import MAX_SHIFT, MIN_SHIFT
from peritus.reference.softmax import PROBABILITY_PEAK
from peritus.schema import MAX_EXTENT, name_fault, short

ACC_LIMIT = 1 << 26  # |acc + bias| stays below: signed 27 bits
MAX_EXPERTS = 64
MAX_TOP_K = 15  # contributions that fit 20-bit residual storage on top of 16 bits
MAX_NORM_WIDTH = 1024
MAX_TOKENS = 4095


@dataclass(frozen=True)
class _Known:
    """What a rule knows beside its node: the tasks; by name the nodes before it and the types of values."""

    tasks: Sequence[Task]
    residual_scale: float
    nodes: dict[str, Node] = field(default_factory=dict)
    types: dict[str, TensorType] = field(default_factory=dict)


def verify(
    nodes: Sequence[Node],
    tasks: Sequence[Task],
    *,
    image: tuple[int, int],
    features: str,
    residual_scale: float,
) -> dict[str, TensorType]:
    """Type of every value by name; Graph calls this when it is made. image: height, width.

    Raises:
        GraphError: names the first node that breaks a rule, the value and the limit.
    """
    _verify_tasks(tasks)
    for name, extent in zip(("height", "width"), image, strict=True):
        if not 1 <= extent <= MAX_EXTENT:
            raise GraphError(IMAGE, f"{name} = {extent}, must be 1..{MAX_EXTENT}")
    _scale("residual_scale", residual_scale)
    known = _Known(tasks, residual_scale)
    types = known.types
    types[IMAGE] = TensorType(Kind.IMAGE, (*image, image_channels(nodes)), 8, signed=False)
    for node in nodes:
        rule = _RULES.get(type(node))
        if rule is None:
            raise GraphError(
                node.name, f"unsupported layer {type(node).__name__}; supported: {', '.join(OPS)}"
            )
        _need(node, not (fault := name_fault(node.name)), str(fault))
        _need(node, node.name not in types, "a value of this name exists already")
        _need(node, len(node.inputs) == node.n_inputs, f"{len(node.inputs)} inputs, must be {node.n_inputs}")
        for name in node.inputs:
            _need(node, name in types, f"input {name!r} is not computed before it")
        types[node.name] = rule(node, known)
        known.nodes[node.name] = node
    _verify_residual_chain(nodes, types)
    _verify_outputs(nodes, tasks, features, types)
    return types


def _verify_tasks(tasks: Sequence[Task]) -> None:
    names = [task.name for task in tasks]
    if not names or len(set(names)) != len(names):
        raise GraphError("tasks", f"task names {short(names)} must be distinct, at least one")
    for task in tasks:
        for name in (task.name, *task.classes):
            if fault := name_fault(name):
                raise GraphError(task.name, fault)
        if len(task.classes) not in (0, task.channels):
            raise GraphError(task.name, f"{len(task.classes)} class names for {task.channels} channels")
        if task.host is not None and (len(task.host) != 2 or min(task.host) < 1):
            raise GraphError(task.name, f"a map of {task.host} rows and columns on the host")
        _scale(task.name, task.scale)


def _scale(name: str, scale: float) -> None:
    if not (math.isfinite(scale) and scale > 0):
        raise GraphError(name, f"scale = {scale}, must be positive and finite")


def image_channels(nodes: Sequence[Node]) -> int:
    """Channels of the image that the first patch embedding reads.

    Raises:
        GraphError: there is none, or its matrix is no whole number of channels.
    """
    for node in nodes:
        if isinstance(node, PatchEmbed):
            weight = node.affine.weight
            _need(node, weight.ndim == 2, f"patch weight has {weight.ndim} dimensions, must be 2")
            inputs = weight.shape[1]
            _need(node, node.patch >= 1, f"patch = {node.patch}, must be at least 1")
            _need(
                node,
                inputs > 0 and inputs % node.patch**2 == 0,
                f"patch weight has {inputs} inputs, must be whole channels of {node.patch}x{node.patch} "
                "pixels",
            )
            return int(inputs // node.patch**2)
    raise GraphError("image", "nothing reads it: there is no PatchEmbed")


def _need(node: Node, ok: bool | np.bool_, message: str) -> None:
    if not ok:
        raise GraphError(node.name, message)


def _input(node: Node, known: _Known, index: int, kind: Kind) -> TensorType:
    found = known.types[node.inputs[index]]
    _need(node, found.kind is kind, f"input {node.inputs[index]!r} is {found}, must be {kind.value}")
    return found


def _array(
    node: Node, what: str, value: npt.NDArray[Any], dtype: type[np.generic], shape: tuple[int, ...]
) -> None:
    if value.dtype != dtype:
        raise GraphError(node.name, f"{what} is {value.dtype}, must be {np.dtype(dtype)}")
    if value.shape != shape:
        raise GraphError(node.name, f"{what} has shape {list(value.shape)}, must be {list(shape)}")


def _shift(node: Node, what: str, shift: npt.NDArray[Any]) -> None:
    ok = (shift >= MIN_SHIFT) & (shift <= MAX_SHIFT)
    if not ok.all():
        raise GraphError(node.name, f"{what} = {shift[~ok][:1]}, must be {MIN_SHIFT}..{MAX_SHIFT}")


def _requant(node: Node, what: str, value: Requant, channels: int) -> None:
    _array(node, f"{what} multiplier", value.multiplier, np.uint16, (channels,))
    _array(node, f"{what} shift", value.shift, np.uint8, (channels,))
    ok = (value.multiplier == 0) | (value.multiplier >= 1 << 15)
    if not ok.all():
        found = value.multiplier[~ok][:1]
        raise GraphError(node.name, f"{what} multiplier = {found}, must be 0 or at least 32768")
    _shift(node, f"{what} shift", value.shift)


def _function(node: Node, function: str) -> None:
    known = ", ".join(ACTIVATIONS)
    _need(node, function in ACTIVATIONS, f"unsupported function {function!r}; supported: {known}")


def _zero_point(node: Node, zero_point: int) -> None:
    known = 0, HIDDEN_ZERO_POINT
    _need(node, zero_point in known, f"zero_point = {zero_point}, must be {known[0]} or {known[1]}")


def _affine(node: Node, what: str, value: Affine, inputs: int, outputs: int | None = None) -> int:
    weight, bias = value.weight, value.bias
    _need(node, weight.ndim == 2, f"{what} weight has {weight.ndim} dimensions, must be 2")
    out = weight.shape[0] if outputs is None else outputs
    _array(node, f"{what} weight", weight, np.int8, (out, inputs))
    _array(node, f"{what} bias", bias, np.int32, (out,))
    _need(node, value.weight_bits in (4, 8), f"{what} weight_bits = {value.weight_bits}, must be 4 or 8")
    _need(node, weight.size > 0, f"{what} weight has shape {list(weight.shape)}, must not be empty")
    limit = (1 << (value.weight_bits - 1)) - 1
    extreme = _extreme(weight)
    _need(node, abs(extreme) <= limit, f"{what} weight = {extreme}, must be within +-{limit}")
    # Mostly the largest weight in every place stays below the limit already; else channel by channel.
    if ACTIVATION_PEAK * inputs * abs(extreme) + abs(_extreme(bias)) >= ACC_LIMIT:
        magnitude = np.abs(weight.astype(np.int64)).sum(axis=1)
        peak = ACTIVATION_PEAK * magnitude + np.abs(bias.astype(np.int64))
        channel = int(peak.argmax())
        _need(
            node,
            peak[channel] < ACC_LIMIT,
            f"{what} accumulator reaches {peak[channel]} in channel {channel}, limit {ACC_LIMIT - 1}",
        )
    _requant(node, what, value.requant, out)
    return out


def _extreme(values: npt.NDArray[Any]) -> int:
    """The value of largest magnitude."""
    low, high = int(values.min()), int(values.max())
    return low if -low > high else high


def _patch_embed(node: PatchEmbed, known: _Known) -> TensorType:
    height, width, channels = _input(node, known, 0, Kind.IMAGE).shape
    for extent in (height, width):
        _need(
            node,
            extent % node.patch == 0,
            f"image of {height}x{width} is not a multiple of patch {node.patch}",
        )
    patches = height * width // node.patch**2
    _need(node, node.position.ndim == 2, f"position has {node.position.ndim} dimensions, must be 2")
    tokens = len(node.position)
    _need(node, tokens >= patches, f"{tokens} positions for {patches} patches")
    _need(node, tokens <= MAX_TOKENS, f"{tokens} tokens, limit {MAX_TOKENS}")
    d = _affine(node, "patch", node.affine, channels * node.patch**2)
    _array(node, "position", node.position, np.int16, (tokens, d))
    return TensorType(Kind.RESIDUAL, (tokens, d), 16, scale=known.residual_scale)


def _layernorm(node: LayerNorm, known: _Known) -> TensorType:
    tokens, d = _input(node, known, 0, Kind.RESIDUAL).shape
    _need(node, d <= MAX_NORM_WIDTH, f"width {d}, limit {MAX_NORM_WIDTH}")
    _array(node, "gamma", node.gamma, np.int16, (d,))
    _array(node, "beta", node.beta, np.int32, (d,))
    _array(node, "shift", node.shift, np.uint8, (d,))
    _shift(node, "shift", node.shift)
    _need(node, 0 <= node.epsilon < 1 << 32, f"epsilon = {node.epsilon}, must fit 32 bits")
    return TensorType(Kind.ACTIVATION, (tokens, d), 8)


def _linear(node: Linear, known: _Known) -> TensorType:
    tokens, inputs = _input(node, known, 0, Kind.ACTIVATION).shape
    out = _affine(node, "linear", node.affine, inputs)
    _function(node, node.function)
    _need(node, node.bits in (8, 16), f"bits = {node.bits}, must be 8 or 16")
    _zero_point(node, node.zero_point)
    _need(
        node, node.bits == 8 or not node.zero_point, f"zero_point = {node.zero_point} at 16 bits, must be 0"
    )
    if node.rescale is not None:
        _requant(node, "rescale", node.rescale, out)
    return TensorType(Kind.ACTIVATION if node.bits == 8 else Kind.CONTRIBUTION, (tokens, out), node.bits)


def _attention(node: Attention, known: _Known) -> TensorType:
    shape = _input(node, known, 0, Kind.ACTIVATION).shape
    for index in (1, 2):
        other = _input(node, known, index, Kind.ACTIVATION).shape
        _need(
            node,
            other == shape,
            f"input {node.inputs[index]!r} has shape {list(other)}, must be {list(shape)}",
        )
    for name in node.inputs:
        source = known.nodes[name]
        shifted = source.zero_point if isinstance(source, Linear) else 0
        _need(node, not shifted, f"input {name!r} has zero point {shifted}, must be 0")
    tokens, d = shape
    _need(node, node.heads >= 1 and d % node.heads == 0, f"heads = {node.heads}, must divide {d}")
    head_dim = d // node.heads
    _need(
        node,
        head_dim * ACTIVATION_PEAK**2 < ACC_LIMIT,
        f"head_dim = {head_dim}, limit {ACC_LIMIT // ACTIVATION_PEAK**2 - 1}",
    )
    limit = (ACC_LIMIT - 1) // (PROBABILITY_PEAK * ACTIVATION_PEAK)
    _need(node, tokens <= limit, f"{tokens} keys, limit {limit}")
    _requant(node, "score", node.score, node.heads)
    _requant(node, "value", node.value, d)
    _need(node, 0 <= node.shift2 <= 24, f"shift2 = {node.shift2}, must be 0..24")
    return TensorType(Kind.ACTIVATION, shape, 8)


def _add(node: Add, known: _Known) -> TensorType:
    residual = _input(node, known, 0, Kind.RESIDUAL)
    other = _input(node, known, 1, Kind.CONTRIBUTION)
    _need(node, other.shape == residual.shape, f"adds {other} to {residual}")
    return residual


def _router(node: Router, known: _Known) -> TensorType:
    tokens, d = _input(node, known, 0, Kind.ACTIVATION).shape
    _need(node, len(node.gates) == len(known.tasks), f"{len(node.gates)} gates for {len(known.tasks)} tasks")
    experts = len(node.gates[0].weight) if node.gates[0].weight.ndim else 0
    for index, gate in enumerate(node.gates):
        _affine(node, f"gate {index}", gate, d, experts)
    _need(node, 1 <= experts <= MAX_EXPERTS, f"{experts} experts, limit {MAX_EXPERTS}")
    limit = min(experts, MAX_TOP_K)
    _need(node, 1 <= node.top_k <= limit, f"top_k = {node.top_k}, must be 1..{limit} for {experts} experts")
    return TensorType(Kind.ROUTING, (tokens, node.top_k), 16, signed=False)


def _experts(node: Experts, known: _Known) -> TensorType:
    tokens, d = _input(node, known, 0, Kind.ACTIVATION).shape
    routing = _input(node, known, 1, Kind.ROUTING)
    residual = _input(node, known, 2, Kind.RESIDUAL)
    _need(node, routing.shape[0] == tokens, f"routes {routing.shape[0]} tokens, its input has {tokens}")
    _need(node, residual.shape[0] == tokens, f"adds {tokens} tokens to {residual}")
    router = known.nodes[node.inputs[1]]
    assert isinstance(router, Router)
    _need(
        node,
        router.inputs[0] == node.inputs[0],
        f"reads {node.inputs[0]!r}, its router reads {router.inputs[0]!r}",
    )
    routed = router.gates[0].weight.shape[0]
    _need(node, len(node.experts) == routed, f"{len(node.experts)} experts, its router has {routed}")
    for index, expert in enumerate(node.experts):
        hidden = _affine(node, f"expert {index} hidden", expert.hidden, d)
        if expert.rescale is not None:
            _requant(node, f"expert {index} rescale", expert.rescale, hidden)
        _affine(node, f"expert {index} output", expert.output, hidden, residual.shape[1])
    _function(node, node.function)
    _zero_point(node, node.zero_point)
    _need(node, 15 <= node.score_shift <= 40, f"score_shift = {node.score_shift}, must be 15..40")
    return residual


def _patches(known: _Known) -> int:
    """Tokens that pixels make."""
    height, width, _ = known.types[IMAGE].shape
    embedding = next(node for node in known.nodes.values() if isinstance(node, PatchEmbed))
    return height * width // embedding.patch**2


def _head(node: Head, known: _Known) -> TensorType:
    tokens, d = _input(node, known, 0, Kind.ACTIVATION).shape
    tasks = {task.name: task for task in known.tasks}
    _need(node, node.task in tasks, f"task {node.task!r} is not in the task table, {short(list(tasks))}")
    channels = tasks[node.task].channels
    prefix = tokens - _patches(known)
    patches = prefix, tokens - prefix
    _need(
        node,
        (node.first, node.rows * node.columns) in (patches, (0, 1) if prefix else patches),
        f"reads {node.rows}x{node.columns} tokens from {node.first} on, must be the class token, 1x1 from 0, "
        f"or the {tokens - prefix} patches from {prefix} on",
    )
    _need(node, node.upscale >= 1, f"upscale = {node.upscale}, must be at least 1")
    _affine(node, "head", node.affine, d, node.upscale**2 * channels)
    shape = (node.rows * node.upscale, node.columns * node.upscale, channels)
    return TensorType(Kind.MAP, shape, 16, scale=tasks[node.task].scale)


def _verify_residual_chain(nodes: Sequence[Node], types: dict[str, TensorType]) -> None:
    """The residual stream is updated in place: nothing reads or updates a state already replaced."""
    current: str | None = None
    contributions: dict[str, str] = {}
    for node in nodes:
        for name in node.inputs:
            kind = types[name].kind
            stale = kind is Kind.RESIDUAL and name != current
            _need(node, not stale, f"reads residual {name!r}, which {current!r} has replaced")
            if kind is Kind.CONTRIBUTION:
                _need(
                    node,
                    name not in contributions,
                    f"contribution {name!r} is already added by {contributions.get(name)!r}",
                )
                contributions[name] = node.name
        if types[node.name].kind is Kind.RESIDUAL:
            _need(
                node,
                current is None or current in node.inputs,
                f"starts a second residual stream beside {current!r}",
            )
            current = node.name


def _verify_outputs(
    nodes: Sequence[Node], tasks: Sequence[Task], features: str, types: dict[str, TensorType]
) -> None:
    if features not in types or types[features].kind is not Kind.RESIDUAL:
        raise GraphError(features, "the features are not a residual value of the graph")
    heads = [node.task for node in nodes if isinstance(node, Head)]
    for task in tasks:
        wanted = 0 if task.host else 1
        if heads.count(task.name) != wanted:
            raise GraphError(task.name, f"the task has {heads.count(task.name)} heads, must be {wanted}")


_RULES: dict[type[Node], Callable[[Any, _Known], TensorType]] = {
    PatchEmbed: _patch_embed,
    LayerNorm: _layernorm,
    Linear: _linear,
    Attention: _attention,
    Add: _add,
    Router: _router,
    Experts: _experts,
    Head: _head,
}
