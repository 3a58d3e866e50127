# SPDX-License-Identifier: Apache-2.0
"""Damaged QONNX and float ONNX files, and what must become of them: refused by a typed error, or understood.

    python -m tests.frontends.mutations --format qonnx --count 2000        # make fuzz

Every file is a valid one with one random change of a random kind. Whether an accepted file was understood is
decided by others: by QONNX's own executor (`peritus.frontends.equivalence`), or by ONNX Runtime on another
picture than the reader itself compares on.
"""

from __future__ import annotations

import argparse
import io
import random
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from onnx import ModelProto, NodeProto, helper, numpy_helper

from peritus.errors import PeritusError
from peritus.frontends.equivalence import compare
from peritus.frontends.onnx_graph import OnnxGraph
from peritus.frontends.operators import OPERATORS
from peritus.frontends.qonnx import lower_graph

SLOW_S = 120.0  # an accepted file runs once per task


def _node(model: ModelProto, rng: random.Random) -> NodeProto:
    return rng.choice(model.graph.node)


def _constant(model: ModelProto, rng: random.Random, change: Callable[[Any], Any]) -> None:
    tensor = rng.choice([t for t in model.graph.initializer if t.data_type == onnx.TensorProto.FLOAT])
    values = np.array(numpy_helper.to_array(tensor))
    tensor.CopyFrom(numpy_helper.from_array(np.asarray(change(values), values.dtype), tensor.name))


def _one(value: float) -> Callable[[Any, random.Random], Any]:
    def change(values: Any, rng: random.Random) -> Any:
        flat = values.reshape(-1)
        flat[rng.randrange(flat.size)] = value
        return values

    return change


def attribute_value(model: ModelProto, rng: random.Random) -> None:
    plain = [a for n in model.graph.node for a in n.attribute if a.type not in (a.TENSOR, a.GRAPH)]
    found = rng.choice(plain)
    value = helper.get_attribute_value(found)
    if isinstance(value, int):
        changed: Any = rng.choice([value + 1, -value - 1, 0, 1, 7, 2**40])
    elif isinstance(value, float):
        changed = rng.choice([value * 2, 0.0, -value, float("nan"), 1e30])
    elif isinstance(value, bytes):
        changed = rng.choice(
            ["FLOOR", "CEIL", "nonsense", "", "tanh", "relu", "gelu", "SAME_UPPER", "reflect"]
        )
    else:
        changed = rng.choice(
            [
                list(value)[::-1],
                list(value)[1:],
                [*value, 1],
                [v + 1 for v in value] if all(isinstance(v, int) for v in value) else list(value)[1:],
            ]
        )
        if not changed:
            changed = [3]
    found.CopyFrom(helper.make_attribute(found.name, changed))


def attribute_type(model: ModelProto, rng: random.Random) -> None:
    node = rng.choice([node for node in model.graph.node if node.attribute])
    found = rng.choice(node.attribute)
    found.CopyFrom(helper.make_attribute(found.name, rng.choice([1, 1.5, "text", [1, 2], ["a"]])))


def attribute_removed(model: ModelProto, rng: random.Random) -> None:
    node = rng.choice([node for node in model.graph.node if node.attribute])
    del node.attribute[rng.randrange(len(node.attribute))]


def attribute_added(model: ModelProto, rng: random.Random) -> None:
    _node(model, rng).attribute.append(helper.make_attribute(rng.choice(["axis", "beta", "signed"]), 1))


def operator(model: ModelProto, rng: random.Random) -> None:
    _node(model, rng).op_type = rng.choice([*OPERATORS, "Tanh", "Softmax", "Erf", "Nonsense", ""])


def domain(model: ModelProto, rng: random.Random) -> None:
    _node(model, rng).domain = rng.choice(["", "com.microsoft", "qonnx.custom_op.general", "nowhere"])


def input_changed(model: ModelProto, rng: random.Random) -> None:
    node = rng.choice([node for node in model.graph.node if node.input])
    others = [name for other in model.graph.node for name in (*other.input, *other.output)]
    node.input[rng.randrange(len(node.input))] = rng.choice([*others, "", "nowhere"])


def inputs_swapped(model: ModelProto, rng: random.Random) -> None:
    node = rng.choice([node for node in model.graph.node if len(node.input) > 1])
    node.input[:] = list(node.input)[::-1]


def input_removed(model: ModelProto, rng: random.Random) -> None:
    node = rng.choice([node for node in model.graph.node if node.input])
    del node.input[rng.randrange(len(node.input))]


def node_removed(model: ModelProto, rng: random.Random) -> None:
    del model.graph.node[rng.randrange(len(model.graph.node))]


def node_bypassed(model: ModelProto, rng: random.Random) -> None:
    index = rng.randrange(len(model.graph.node))
    node = model.graph.node[index]
    for other in model.graph.node:
        other.input[:] = [node.input[0] if name == node.output[0] else name for name in other.input]
    if node.output[0] not in {output.name for output in model.graph.output}:
        del model.graph.node[index]


def node_moved(model: ModelProto, rng: random.Random) -> None:
    nodes = list(model.graph.node)
    nodes.insert(rng.randrange(len(nodes)), nodes.pop(rng.randrange(len(nodes))))
    copied = [NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del model.graph.node[:]
    model.graph.node.extend(copied)


def constant_nan(model: ModelProto, rng: random.Random) -> None:
    value = rng.choice([np.nan, np.inf, -np.inf])
    _constant(model, rng, lambda values: _one(value)(values, rng))


def constant_one(model: ModelProto, rng: random.Random) -> None:
    value = rng.choice([0.0, 1e-30, 1e30, -1.0, 7.5, 3.0])
    _constant(model, rng, lambda values: _one(value)(values, rng))


def constant_scaled(model: ModelProto, rng: random.Random) -> None:
    factor = rng.choice([0.0, -1.0, 1.5, 1e-9, 1e9, 2.0])
    _constant(model, rng, lambda values: values * factor)


def constant_shape(model: ModelProto, rng: random.Random) -> None:
    shape = rng.choice([(-1,), (1, -1), (-1, 1), (1, 1, 1, 1, -1)])
    _constant(model, rng, lambda values: values.reshape(shape))


def constant_short(model: ModelProto, rng: random.Random) -> None:
    _constant(model, rng, lambda values: values.reshape(-1)[: values.size // 2])


def constant_type(model: ModelProto, rng: random.Random) -> None:
    tensor = rng.choice(model.graph.initializer)
    tensor.data_type = rng.choice([1, 6, 7, 8, 9, 10, 11, 16, 99])


def constant_bytes(model: ModelProto, rng: random.Random) -> None:
    tensor = rng.choice([t for t in model.graph.initializer if t.raw_data])
    tensor.raw_data = tensor.raw_data[: rng.randrange(len(tensor.raw_data))]


def integers_changed(model: ModelProto, rng: random.Random) -> None:
    tensor = rng.choice([t for t in model.graph.initializer if t.data_type == onnx.TensorProto.INT64])
    values = np.array(numpy_helper.to_array(tensor))
    flat = values.reshape(-1)
    flat[rng.randrange(flat.size)] += rng.choice([-3, -1, 1, 2, 2**40])
    tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))


def constant_removed(model: ModelProto, rng: random.Random) -> None:
    del model.graph.initializer[rng.randrange(len(model.graph.initializer))]


def outputs_changed(model: ModelProto, rng: random.Random) -> None:
    outputs = list(model.graph.output)
    rng.shuffle(outputs)
    keep = rng.choice([len(outputs), len(outputs) - 1, 1, 0])
    copied = [onnx.ValueInfoProto.FromString(o.SerializeToString()) for o in outputs[:keep]]
    if rng.random() < 0.3 and copied:
        copied.append(copied[0])
    del model.graph.output[:]
    model.graph.output.extend(copied)


def output_elsewhere(model: ModelProto, rng: random.Random) -> None:
    rng.choice(model.graph.output).name = rng.choice(_node(model, rng).output)


def input_shape(model: ModelProto, rng: random.Random) -> None:
    extents = rng.choice(model.graph.input).type.tensor_type.shape.dim
    if extents:
        rng.choice(extents).dim_value = rng.choice([0, 1, 2, 5, 48, 2**33])


def shapes_lie(model: ModelProto, rng: random.Random) -> None:
    for info in model.graph.value_info:
        for extent in info.type.tensor_type.shape.dim:
            extent.dim_value = rng.randrange(100)


def opset(model: ModelProto, rng: random.Random) -> None:
    rng.choice(model.opset_import).version = rng.choice([1, 9, 13, 17, 18, 19, 23, 99])


def names_removed(model: ModelProto, rng: random.Random) -> None:
    for node in model.graph.node:
        node.name = ""
    attribute_value(model, rng)


def metadata(model: ModelProto, rng: random.Random) -> None:
    text = rng.choice(["", "{", "[1]", '[{"name": "depth"}]', '[{"name": 3}]', '{"a": "b"}', "null"])
    for node in [node for node in model.graph.node if node.op_type == "Task"]:
        for other in model.graph.output:
            other.name = node.input[0] if other.name == node.output[0] else other.name
        model.graph.node.remove(node)
    model.metadata_props.add(key="peritus.tasks", value=text)


KINDS: tuple[Callable[[ModelProto, random.Random], None], ...] = (
    attribute_value,
    attribute_type,
    attribute_removed,
    attribute_added,
    operator,
    domain,
    input_changed,
    inputs_swapped,
    input_removed,
    node_removed,
    node_bypassed,
    node_moved,
    constant_nan,
    constant_one,
    constant_scaled,
    constant_shape,
    constant_short,
    constant_type,
    constant_bytes,
    integers_changed,
    constant_removed,
    outputs_changed,
    output_elsewhere,
    input_shape,
    shapes_lie,
    opset,
    names_removed,
    metadata,
)


def exported_network(gate: str = "multi_gate") -> bytes:
    """A QONNX file of two blocks, one with experts, and two tasks."""
    from quant_models.network.config import M3VIT_MICRO
    from quant_models.network.init import new_model, procedural_images
    from quant_models.quantization.export import to_qonnx
    from quant_models.quantization.fold import fake_quantize

    config = replace(M3VIT_MICRO, n_layers=2, gate=gate)
    model, _ = fake_quantize(new_model(config), procedural_images(config, 2, seed=1))
    return bytes(to_qonnx(model).SerializeToString())


def mutated(data: bytes, seed: int) -> tuple[str, bytes]:
    """Kind and content of a damaged file: every kind in turn, one in ten files damaged in its bytes."""
    rng = random.Random(seed)
    if seed % 10 == 9:
        damaged = bytearray(data)
        if rng.random() < 0.3:
            del damaged[rng.randrange(len(damaged)) :]
        else:
            for _ in range(rng.choice([1, 4, 64])):
                damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
        return "bytes", bytes(damaged)
    model = ModelProto.FromString(data)
    kind = KINDS[seed % len(KINDS)]
    kind(model, rng)
    return kind.__name__, model.SerializeToString()


def verdict(data: bytes) -> str:
    """ "understood" or "refused"; anything but a PeritusError is raised."""
    try:
        model = ModelProto.FromString(data)
    except DecodeError:
        return "refused"
    try:
        g = OnnxGraph(model)
        lowered = lower_graph(g)
        compare(g, lowered)
    except PeritusError:
        return "refused"
    return "understood"


def float_network() -> bytes:
    """A float ONNX file: two blocks, class and distillation token, a head for each."""
    import torch

    from tests.quant_models.plain_vits import SIDE, vit

    net = vit(prefix=("cls_token", "dist_token"), head="distilled", scale=True)
    target = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            net,
            (torch.zeros(1, 3, SIDE, SIDE),),
            target,
            dynamo=False,
            opset_version=17,
            input_names=["image"],
            output_names=["classes"],
            dynamic_axes={"image": {0: "batch"}},
        )
    model = ModelProto.FromString(target.getvalue())
    for node in [node for node in model.graph.node if node.op_type == "Constant"]:
        tensor = onnx.TensorProto.FromString(node.attribute[0].t.SerializeToString())
        tensor.name = node.output[0]
        model.graph.initializer.append(tensor)  # where damage finds it
        model.graph.node.remove(node)
    return bytes(model.SerializeToString())


def float_verdict(data: bytes) -> str:
    """`verdict`, of a float ONNX file; "wrong": accepted, and another network than the file's."""
    import torch

    from quant_models.checkpoints.variant import Hints
    from quant_models.float_onnx.graph import as_graph
    from quant_models.float_onnx.read import BOUND_DB, read_graph
    from quant_models.network.layers import normalize_pixels
    from quant_models.network.noise import snr_db

    try:
        model = ModelProto.FromString(data)
    except DecodeError:
        return "refused"
    try:
        graph = as_graph(model, None)
        net = read_graph(graph, "net.onnx", Hints(pixels="half")).net
    except PeritusError:
        return "refused"
    picture = torch.rand((1, *graph.shape[1:]), generator=torch.Generator().manual_seed(9))
    expected = graph.run(normalize_pixels(picture, net.config).numpy())
    for name, task in zip([o for o in graph.outputs if o in graph.live], net.config.tasks, strict=True):
        with torch.no_grad():
            found = net(picture, task.name)
        reference = torch.from_numpy(np.asarray(expected[name], np.float32))
        if task.kind == "embedding":  # (1, N, C) in the file
            reference = reference.movedim(-1, 1)
        if not snr_db(reference.reshape(found.shape), found) >= BOUND_DB - 10:
            return "wrong"
    return "understood"


FORMATS: dict[str, tuple[Callable[[], bytes], Callable[[bytes], str]]] = {
    "qonnx": (exported_network, verdict),
    "float": (float_network, float_verdict),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--format", choices=FORMATS, default="qonnx")
    parser.add_argument("--file", type=Path, help="the valid file; default: a small network, exported anew")
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--start", type=int, default=0)
    options = parser.parse_args()
    make, judge = FORMATS[options.format]
    data = options.file.read_bytes() if options.file else make()
    counts: dict[str, Counter[str]] = {}
    bad = 0
    for seed in range(options.start, options.start + options.count):
        kind, damaged = mutated(data, seed)
        start = time.monotonic()
        try:
            found = judge(damaged)
            if found == "wrong":
                bad += 1
                print(f"seed {seed} ({kind}): accepted, and another network than the file's", flush=True)
        except Exception as error:  # what must not happen
            found, bad = "raw exception", bad + 1
            print(f"seed {seed} ({kind}): {type(error).__name__}: {error}", flush=True)
        if time.monotonic() - start > SLOW_S:
            bad += 1
            print(f"seed {seed} ({kind}): {time.monotonic() - start:.0f} s", flush=True)
        counts.setdefault(kind, Counter())[found] += 1
    for kind, found_counts in sorted(counts.items()):
        print(f"{kind:20} " + ", ".join(f"{n} {what}" for what, n in sorted(found_counts.items())))
    total = sum(counts.values(), Counter())
    print(f"{options.count} files: " + ", ".join(f"{n} {what}" for what, n in sorted(total.items())))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
