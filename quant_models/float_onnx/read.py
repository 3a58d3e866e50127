# SPDX-License-Identifier: Apache-2.0
"""From a float ONNX file to a network of ours that computes the same."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import torch

from peritus.provenance import Provenance
from quant_models.checkpoints.imported import Imported
from quant_models.checkpoints.variant import PIXELS, Hints, normalization
from quant_models.float_onnx.graph import FloatGraph, OnnxError, load_graph
from quant_models.float_onnx.network import Backbone, backbone, classifier, configuration, deepest_stream
from quant_models.float_onnx.rules import interpret
from quant_models.float_onnx.tail import cut, describe
from quant_models.network.config import ConfigError, M3ViTConfig
from quant_models.network.init import procedural_images
from quant_models.network.layers import normalize_pixels
from quant_models.network.model import M3ViT
from quant_models.network.noise import snr_db

# Of every output against ONNX Runtime's execution of the file: float32, in another order of sums.
BOUND_DB = 60.0
COMPARED = 2  # images


def read_float_onnx(path: str | Path, hints: Hints | None = None) -> Imported:
    """`read_graph` of a file.

    Raises:
        CheckpointError: no such file, no ONNX, or ONNX Runtime cannot run it. OnnxError: as `read_graph`.
    """
    path, hints = Path(path), hints or Hints()
    return read_graph(load_graph(path, hints.image), path.name, hints)


def read_graph(graph: FloatGraph, name: str, hints: Hints) -> Imported:
    """A float ONNX graph of a plain vision transformer as a network of ours.

    Its blocks become ours, whatever way they are written. A linear layer on the normalized class token
    becomes a head of kind "classification". All else behind the last block becomes the network's tail, on the
    host.

    Args:
        name: of the file, for messages and as the network's name.
        hints: `pixels` must be said, the file does not tell; `image` where the file leaves the size open;
        `tasks` to rename the kinds of outputs, by their names.
    Raises:
        OnnxError: something in it is not understood, or the network made of it computes something else than
        the file; names the node or the output.
    """
    said = {
        "--layers": hints.layers,
        "--heads": hints.heads,
        "--top-k": hints.top_k,
        "--options": hints.options,
    }
    if given := [name for name, value in said.items() if value]:
        raise OnnxError(f"{name} says it already: leave out {', '.join(given)}")
    if hints.pixels is None:
        known = "; ".join(f"{name}: {meaning}" for name, meaning in PIXELS.items())
        raise OnnxError(
            f"{name} does not say how pixels k of 0 to 255 are scaled before it reads them: give "
            "--pixels, one "
            f"of {known}"
        )
    values = interpret(graph)
    stream = deepest_stream(values)
    blocks = backbone(stream)
    live = [name for name in graph.outputs if name in graph.live]
    heads = {name: found for name in live if (found := classifier(values.get(name), stream)) is not None}
    heads = {name: head for name, head in heads.items() if head.norm.epsilon == blocks.epsilon}
    outputs = [describe(graph, name, hints.tasks, host=name not in heads) for name in live]
    unknown = {task.name for task in hints.tasks} - {output.task.name for output in outputs}
    if not outputs or unknown:
        raise OnnxError(
            f"{name} has the outputs {graph.outputs}, not {', '.join(sorted(unknown)) or 'a map'}"
        )
    try:
        pixels = normalization(hints.pixels, graph.shape[1])
        title = re.sub(r"\W", "_", name.partition(".")[0]) or "imported"
        tasks = [output.task for output in outputs]
        config = configuration(blocks, title, graph.shape[2:], tasks, pixels)
    except ConfigError as error:
        raise OnnxError(f"{name}: {error}") from error
    net = M3ViT(config).eval()
    notes = ["a float ONNX file: its blocks were read whatever way they are written, and compared with it"]
    hosted = [output for output in outputs if output.task.host]
    if hosted:
        net.tail, nodes = cut(graph, values, stream.tensor, hosted)
        kinds = ", ".join(sorted({node.op_type for node in nodes}))
        names = ", ".join(output.task.name for output in hosted)
        notes.append(
            f"{names}: {len(nodes)} nodes behind the last block stay on the host ({kinds or 'none'})"
        )
    tensors = dict(blocks.tensors)
    for output in outputs:
        if (head := heads.get(output.name)) is not None:
            parts = {
                "norm.weight": head.norm.gamma,
                "norm.bias": head.norm.beta,
                "head.weight": head.layer.weight,
                "head.bias": head.layer.bias,
            }
            prefix = f"decoders.{output.task.name}"
            tensors |= {f"{prefix}.{part}": torch.from_numpy(value).float() for part, value in parts.items()}
    net.load_state_dict(tensors)
    dead = [name for name in graph.outputs if name not in graph.live]
    notes += [f"output {name} is the same for every image: left out" for name in dead]
    notes += _compare(graph, net, config, [output.name for output in outputs], blocks)
    net.provenance = str(Provenance(f"imported from {name}"))
    return Imported(net, tuple(tensors), (), (), (), tuple(notes))


@torch.no_grad()
def _compare(
    graph: FloatGraph, net: M3ViT, config: M3ViTConfig, outputs: list[str], blocks: Backbone
) -> list[str]:
    """Run both on pictures; OnnxError if an output differs."""
    images = procedural_images(config, COMPARED)
    expected = graph.run(normalize_pixels(images, config).numpy())
    notes = []
    for name, task in zip(outputs, config.tasks, strict=True):
        found = net(images, task.name)
        reference = torch.from_numpy(np.asarray(expected[name], np.float32))
        if task.kind == "embedding":
            reference = reference.movedim(-1, 1)
        agreed = snr_db(reference.reshape(found.shape), found)
        if not agreed >= BOUND_DB:
            raise OnnxError(
                f"output {name!r}: the network that was read agrees with the file to {agreed:.1f} dB, at "
                "least "
                f"{BOUND_DB:g} dB are needed: {blocks.dimensions} were understood"
            )
        notes.append(f"{task.name} agrees with the file to {agreed:.0f} dB")
    return notes
