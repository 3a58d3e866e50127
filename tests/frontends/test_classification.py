# SPDX-License-Identifier: Apache-2.0
"""A head of the class token beside one of the patches, through the file and QONNX's own execution of it."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="exports need the extra 'models'")

from onnx import numpy_helper  # noqa: E402

from peritus.frontends.equivalence import compare  # noqa: E402
from peritus.frontends.errors import UnsupportedLayerError  # noqa: E402
from peritus.frontends.onnx_graph import OnnxGraph  # noqa: E402
from peritus.frontends.qonnx import lower, lower_graph  # noqa: E402
from peritus.ir import Head, LayerNorm  # noqa: E402
from quant_models.network.config import M3VIT_MICRO, TaskConfig  # noqa: E402
from quant_models.network.init import new_model, procedural_images  # noqa: E402
from quant_models.quantization.export import to_qonnx  # noqa: E402
from quant_models.quantization.fold import fake_quantize  # noqa: E402

pytestmark = pytest.mark.models

TASKS = (TaskConfig("species", "classification", 3, ("cat", "dog", "owl")), TaskConfig("depth", "depth", 1))


def test_both_kinds_of_head_share_one_norm() -> None:
    config = replace(M3VIT_MICRO, n_layers=2, tasks=TASKS)
    model, _ = fake_quantize(new_model(config), procedural_images(config, 2, seed=1))
    file = to_qonnx(model)
    g = OnnxGraph(file)
    lowered = lower_graph(g)
    species, depth = (node for node in lowered.graph.nodes if isinstance(node, Head))
    assert (species.first, species.rows, species.columns, species.upscale) == (0, 1, 1, 1)
    assert (depth.first, depth.rows, depth.columns, depth.upscale) == (1, 2, 4, 4)
    assert species.inputs == depth.inputs == ("final_norm",)
    assert sum(isinstance(node, LayerNorm) for node in lowered.graph.nodes) == 5
    assert [(task.kind, task.classes) for task in lowered.graph.tasks] == [
        ("classification", ("cat", "dog", "owl")),
        ("depth", ()),
    ]
    assert min(row.snr_db - row.bound_db for row in compare(g, lowered)) > 0

    for node in file.graph.node:  # the kind must be what the head reads
        for attribute in node.attribute:
            if node.op_type == "Task" and attribute.s == b"classification":
                attribute.s = b"segmentation"
    with pytest.raises(
        UnsupportedLayerError, match="'species' is a segmentation, but reads tokens from 0 on"
    ):
        lower(file)


def test_a_first_patch_is_no_class_token() -> None:
    """Cut before and behind the norm: token 0 of what is left is a patch."""
    config = replace(M3VIT_MICRO, n_layers=1, tasks=TASKS[:1])
    model, _ = fake_quantize(new_model(config), procedural_images(config, 2, seed=1))
    file = to_qonnx(model)
    cut = next(node for node in file.graph.node if node.op_type == "Slice")
    norm = next(node for node in file.graph.node if node.name == "final_norm/LayerNormalization")
    before = copy.deepcopy(cut)
    before.input[0], before.output[0], before.name = norm.input[0], "behind_class", "early/Slice"
    for place, value in ((1, 1), (2, 2**62)):
        before.input[place] = f"bound{place}"
        file.graph.initializer.append(numpy_helper.from_array(np.array([value]), f"bound{place}"))
    norm.input[0] = "behind_class"
    file.graph.node.insert(list(file.graph.node).index(norm), before)
    with pytest.raises(
        UnsupportedLayerError, match=r"reads 1 of 9 tokens, from 1 on, expected the class token"
    ):
        lower(file)
