# SPDX-License-Identifier: Apache-2.0
"""Whole networks down FINN's steps: nothing unmapped, and the Verilated chain gives the reference's bits."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.finn.networks import exported
from tests.finn.one_node import CLOCK_NS, PART

STEPS = [
    "peritus.finn.steps.step_peritus_convert",
    "step_tidy_up",
    "step_create_dataflow_partition",
    "step_specialize_layers",
    "step_target_fps_parallelization",
    "step_apply_folding_config",
    "step_generate_estimate_reports",
    "peritus.finn.steps.step_peritus_fifos",
    "step_hw_codegen",
]


def config(folder: Path, steps: list[str], **options: Any) -> Any:
    from finn.builder.build_dataflow_config import DataflowBuildConfig

    return DataflowBuildConfig(
        output_dir=str(folder),
        synth_clk_period_ns=CLOCK_NS,
        fpga_part=PART,
        board="ZCU104",
        generate_outputs=[],
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
    from peritus.frontends.qonnx import lower
    from peritus.ir import execute

    file = exported(name)
    onnx.save(file, tmp_path / "network.onnx")
    assert build_dataflow_cfg(tmp_path / "network.onnx", config(tmp_path / "out", STEPS)) == 0
    model = ModelWrapper(str(tmp_path / "out" / "intermediate_models" / "step_hw_codegen.onnx"))
    assert [node.name for node in model.graph.node if not node.domain.endswith("fpgadataflow.rtl")] == []

    graph = lower(file)
    task = graph.tasks[0].name
    rng = np.random.default_rng(4)
    size = (3, graph.image_height, graph.image_width, graph.image_channels)
    images = rng.integers(0, 256, size).astype(np.uint8)
    images[1] = np.where(images[1] < 128, 0, 255)
    chain = Chain(model, tmp_path)
    for stall in (0, 64):
        found, cycles = chain.run(np.concatenate([host.patches(graph, image) for image in images]), stall)
        for image, logits in zip(images, found, strict=True):
            expected = execute(graph, image, task).output
            assert expected is not None
            assert np.array_equal(host.task_map(graph, task, logits[None]), expected)
        print(
            f"{name}: {len(model.graph.node)} nodes, {len(images)} frames in {cycles} cycles, stall {stall}"
        )
