# SPDX-License-Identifier: Apache-2.0
"""Fake-quantized model -> QONNX, with the experts as one custom operator (`peritus.frontends.moe_format`)."""

from __future__ import annotations

import ast
import contextlib
import gc
import io
import logging
import re
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence

import torch
from brevitas.export import export_qonnx
from onnx import ModelProto

from quant_models.network.threads import torch_threads
from quant_models.quantization.fake_quant import QuantM3ViT

IMAGE, TASK, FEATURES = "image", "task", "features"
_TEMPORARY = "peritus_output_"  # what no tracer calls anything
_BREVITAS_SCOPE = re.compile(r"\.(act_quant|weight_quant|export_handler)(\.|$)")


@torch_threads(1)
def to_qonnx(net: QuantM3ViT) -> ModelProto:
    """Export the fake-quantized model.

    Inputs of the graph: `image` (1, C, H, W) float, pixels k/256; `task` int64 scalar.
    Outputs: `features` (1, tokens, d_model), then one map (1, channels, H/4, W/4) per task, by its name
    (`NAME_map` where that is taken).
    """
    config = net.config
    example = torch.zeros(1, config.in_channels, config.image_height, config.image_width)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), _no_collection():
        warnings.simplefilter("ignore")
        registration = logging.getLogger("torch.onnx")
        level = registration.level
        registration.setLevel(logging.ERROR)
        try:
            model: ModelProto = export_qonnx(
                net.eval(),
                args=(example, torch.tensor(0)),
                input_names=[IMAGE, TASK],
                output_names=[FEATURES, *(f"{_TEMPORARY}{index}" for index in range(len(config.tasks)))],
                dynamo=True,
                optimize=True,
            )
        finally:
            registration.setLevel(level)
    model.graph.name = config.name
    _tidy(model)
    _name_outputs(model, config.task_names)
    return model


@contextlib.contextmanager
def _no_collection() -> Iterator[None]:
    """Tracing makes millions of objects that stay: looking for garbage among them takes a seventh of it."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _name_outputs(model: ModelProto, names: Sequence[str]) -> None:
    """Outputs by their tasks' names; a tensor inside that the tracer called the same gives way."""
    wanted = {
        f"{_TEMPORARY}{index}": f"{name}_map" if name in (IMAGE, TASK, FEATURES) else name
        for index, name in enumerate(names)
    }
    renamed = {name: f"{name}_inside" for name in wanted.values()} | wanted
    for node in model.graph.node:
        node.input[:] = [renamed.get(name, name) for name in node.input]
        node.output[:] = [renamed.get(name, name) for name in node.output]
    for part in (*model.graph.output, *model.graph.value_info, *model.graph.initializer):
        part.name = renamed.get(part.name, part.name)


def _tidy(model: ModelProto) -> None:
    """Name nodes `module/operator` after its modules, weights likewise; drop the tracer's metadata."""
    initializers = {tensor.name: tensor for tensor in model.graph.initializer}
    counts: Counter[str] = Counter()
    renamed: dict[str, str] = {}
    for node in model.graph.node:
        scopes = next((p.value for p in node.metadata_props if p.key == "pkg.torch.onnx.name_scopes"), "['']")
        # The last scope is the traced operation; Brevitas' own submodules say nothing to a reader.
        modules = [s for s in ast.literal_eval(scopes)[:-1] if not _BREVITAS_SCOPE.search(s)]
        name = f"{modules[-1] if modules else ''}/{node.op_type}"
        counts[name] += 1
        node.name = name if counts[name] == 1 else f"{name}_{counts[name]}"
        if node.op_type == "Quant" and node.input[0].startswith("slice_") and modules:
            renamed[node.input[0]] = f"{modules[-1]}.weight"
    taken = {name for node in model.graph.node for name in (*node.input, *node.output)}
    for old, new in renamed.items():
        if new != old and new not in taken:
            taken.add(new)  # two slices of one module: the second keeps the tracer's name
            initializers[old].name = new
            for node in model.graph.node:
                node.input[:] = [new if name == old else name for name in node.input]
    del model.metadata_props[:]
    del model.graph.metadata_props[:]
    for part in (*model.graph.node, *model.graph.input, *model.graph.output, *model.graph.value_info):
        del part.metadata_props[:]
        part.doc_string = ""
    for tensor in model.graph.initializer:
        del tensor.metadata_props[:]
