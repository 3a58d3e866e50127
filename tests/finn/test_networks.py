# SPDX-License-Identifier: Apache-2.0
"""Whole networks down FINN's steps: nothing unmapped, and the Verilated chain gives the reference's bits."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.finn.networks import exported
from tests.finn.one_node import CLOCK_NS, PART

STEPS = [
    "peritus.finn.steps.step_peritus_convert",
    "step_tidy_up",
    "step_streamline",
    "step_convert_to_hw",
    "step_create_dataflow_partition",
    "step_specialize_layers",
    "step_target_fps_parallelization",
    "step_apply_folding_config",
    "step_minimize_bit_width",
    "step_transpose_decomposition",
    "step_generate_estimate_reports",
    "peritus.finn.steps.step_peritus_fifos",
    "step_hw_codegen",
]


def config(folder: Path, steps: list[str], **options: Any) -> Any:
    from finn.builder.build_dataflow_config import DataflowBuildConfig, DataflowOutputType

    return DataflowBuildConfig(
        output_dir=str(folder),
        synth_clk_period_ns=CLOCK_NS,
        fpga_part=PART,
        board="ZCU104",
        generate_outputs=[DataflowOutputType.ESTIMATE_REPORTS],
        steps=steps,
        save_intermediate_models=True,
        **options,
    )


@pytest.mark.parametrize("name", ["encoder", "moe", "m3vit"])
def test_network_in_dataflow(finn: Path, tmp_path: Path, name: str) -> None:
    import onnx
    from finn.builder.build_dataflow import build_dataflow_cfg
    from qonnx.core.modelwrapper import ModelWrapper

    from peritus.finn import host
    from peritus.finn.chain import Chain
    from peritus.finn.steps import step_peritus_verify
    from peritus.frontends.qonnx import lower
    from peritus.ir import execute

    file = exported(name)
    onnx.save(file, tmp_path / "network.onnx")
    settings = config(tmp_path / "out", STEPS)
    assert build_dataflow_cfg(tmp_path / "network.onnx", settings) == 0
    model = ModelWrapper(str(tmp_path / "out" / "intermediate_models" / "step_hw_codegen.onnx"))
    assert [node.name for node in model.graph.node if not node.domain.endswith("fpgadataflow.rtl")] == []

    graph = lower(file)
    task = graph.tasks[0].name
    rng = np.random.default_rng(4)
    size = (3, graph.image_height, graph.image_width, graph.image_channels)
    images = rng.integers(0, 256, size).astype(np.uint8)
    images[1] = np.where(images[1] < 128, 0, 255)
    patches = np.concatenate([host.patches(graph, image) for image in images])
    chain = Chain(model, tmp_path / "out")
    taken, maps = {}, [execute(graph, image, task).output for image in images]
    for stall in (0, 64):
        found, taken[stall] = chain.run(patches, stall)
        for logits, expected in zip(found, maps, strict=True):
            assert expected is not None
            assert np.array_equal(host.task_map(graph, task, logits[None]), expected)

    report = tmp_path / "out" / "report" / "estimate_network_performance.json"
    promised = json.loads(report.read_text())["max_cycles"]
    _, first = chain.run(patches[:1])
    interval = (taken[0] - first) / 2
    print(f"{name}: {len(model.graph.node)} nodes, a frame in {first} cycles, then one every {interval:g}")
    assert abs(interval - promised) <= 0.1 * promised, promised

    step_peritus_verify(model, settings)
    assert (tmp_path / "out" / "peritus_verify.txt").is_file()


def test_the_accelerator_gives_the_same_maps() -> None:
    """The other road: the accelerator's RTL gives what test_network_in_dataflow compares with."""
    from peritus.arch.config import load_config
    from peritus.compiler import compile_model
    from peritus.frontends.qonnx import lower
    from peritus.ir import QuantModel, execute
    from peritus.runtime import open_device

    graph = lower(exported("m3vit"))
    task = graph.tasks[0].name
    bundle = compile_model(QuantModel("m3vit", graph, "test"), load_config("nano"))
    size = (graph.image_height, graph.image_width, graph.image_channels)
    image = np.random.default_rng(4).integers(0, 256, size).astype(np.uint8)
    with open_device("rtl", hw=bundle.hw) as device:
        device.load(bundle)
        result = device.run(image, task=task)
    print(f"m3vit on the accelerator (nano): {result.perf.cycles} cycles")
    assert np.array_equal(result.outputs[task], execute(graph, image, task).output)


def test_experts_with_and_without_a_second_stage(finn: Path) -> None:
    """The experts of a node share its requantization: the one that has no second stage gets 1.0."""
    from dataclasses import replace

    from qonnx.core.onnx_exec import execute_onnx

    from peritus.finn import host
    from peritus.finn.frontend.lowering import to_dataflow
    from peritus.ir import execute
    from peritus.ir.ops import Experts
    from peritus.ir.random_model import Dims, random_image, random_model

    dims = Dims(layers=1, prefix=0, moe_layers=(0,))
    graph = random_model(dims, 3).graph
    (node,) = (node for node in graph.nodes if isinstance(node, Experts))
    first, *others = node.experts
    bare = replace(node, experts=(replace(first, rescale=None), *others))
    changed = replace(graph, nodes=tuple(bare if one is node else one for one in graph.nodes))
    image, task = random_image(dims, 1), graph.tasks[0].name
    model = to_dataflow(changed, task)
    (source,), (target,) = model.graph.input, model.graph.output
    logits = execute_onnx(model, {source.name: host.patches(changed, image).astype(np.float32)})
    found = host.task_map(changed, task, logits[target.name])
    assert np.array_equal(found, execute(changed, image, task).output)
    assert not np.array_equal(found, execute(graph, image, task).output)
