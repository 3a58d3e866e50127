# SPDX-License-Identifier: Apache-2.0
"""Build steps for FINN, (model, cfg) -> model; `build.yml` beside this file has them in their order.

Importing this registers our nodes, where FINN is installed.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np

from peritus.finn.errors import ChainDiffers

if importlib.util.find_spec("finn") is not None:
    import peritus.finn.nodes  # noqa: F401

TASK = "peritus_task"  # metadata of the model: which task's head; "" for the features; the first if absent
FRAMES = 2  # of the comparison


def step_peritus_convert(model: Any, cfg: Any) -> Any:
    """A Brevitas network in QONNX, image to maps -> a graph of streaming nodes, patches to logits.

    Raises:
        UnsupportedLayerError: the file is not understood; names node and reason.
        UnmappedNodeError: a node has no streaming counterpart; names node and reason.
    """
    from peritus.finn.frontend import to_dataflow
    from peritus.frontends.qonnx import lower

    graph = lower(model.model)
    asked = model.get_metadata_prop(TASK)
    return to_dataflow(graph, graph.tasks[0].name if asked is None else asked or None)


def step_peritus_fifos(model: Any, cfg: Any) -> Any:
    """Width converters where foldings differ, FIFOs as deep as the nodes' attributes say."""
    from finn.transformation.fpgadataflow.insert_dwc import InsertDWC
    from finn.transformation.fpgadataflow.specialize_layers import SpecializeLayers
    from qonnx.transformation.general import GiveReadableTensorNames, GiveUniqueNodeNames

    from peritus.finn.fifos import insert_fifos

    model = insert_fifos(model.transform(InsertDWC()))
    model = model.transform(SpecializeLayers(cfg._resolve_fpga_part()))
    return model.transform(GiveUniqueNodeNames()).transform(GiveReadableTensorNames())


def step_peritus_verify(model: Any, cfg: Any) -> Any:
    """All nodes as one module on Verilator: every value of some random frames as the nodes compute it.

    Writes peritus_verify.txt into the output folder.

    Raises:
        ChainDiffers: a value differs. SimulatorError: the chain stops. UnmappedNodeError: a node has no RTL.
    """
    from finn.transformation.fpgadataflow.set_exec_mode import SetExecMode
    from qonnx.core.onnx_exec import execute_onnx

    from peritus.finn.chain import Chain

    rng = np.random.default_rng(1)
    (source,) = (info.name for info in model.graph.input)
    (target,) = (info.name for info in model.graph.output)
    kind = model.get_tensor_datatype(source)
    shape = (FRAMES, *model.get_tensor_shape(source)[1:])
    frames = rng.integers(int(kind.min()), int(kind.max()) + 1, shape)
    found, cycles = Chain(model, Path(cfg.output_dir)).run(frames)
    own = model.transform(SetExecMode("cppsim"))  # each RTL node's definition in Python
    expected = np.concatenate(
        [execute_onnx(own, {source: frame[None].astype(np.float32)})[target] for frame in frames]
    )
    if wrong := int(np.count_nonzero(found != expected)):
        raise ChainDiffers(f"{wrong} of {expected.size} values of the chain differ from the nodes' own")
    (Path(cfg.output_dir) / "peritus_verify.txt").write_text(
        f"{expected.size} values equal, {FRAMES} frames in {cycles} cycles\n"
    )
    return model
