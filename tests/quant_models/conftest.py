# SPDX-License-Identifier: Apache-2.0
"""Small networks, their fake-quantized models and QONNX files, built once per session."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt
import pytest

if TYPE_CHECKING:
    from onnx import ModelProto
    from torch import Tensor

    from peritus.ir import Graph
    from quant_models.network.model import M3ViT
    from quant_models.quantization.fake_quant import QuantM3ViT

PATTERNS = ("even", "skewed", "idle", "same", "ties")


@dataclass(frozen=True)
class Chain:
    """One network in all its forms."""

    net: M3ViT
    model: QuantM3ViT
    qonnx: ModelProto
    graph: Graph

    def run_qonnx(self, image: Tensor, task: int) -> dict[str, npt.NDArray[np.float32]]:
        """Outputs of QONNX's own executor for an image (1, C, H, W)."""
        from qonnx.core.modelwrapper import ModelWrapper
        from qonnx.core.onnx_exec import execute_onnx

        inputs = {"image": image.numpy(), "task": np.array(task)}
        result: dict[str, npt.NDArray[np.float32]] = execute_onnx(ModelWrapper(self.qonnx), inputs)
        return result


def _route_by_pattern(net: M3ViT) -> None:
    """Give each task's gate the pattern of its name. Channel 0 of norm2 becomes 1, so its row 0 is a bias."""
    import torch

    for block in net.backbone.layers[1::2]:
        block.norm2.weight[0], block.norm2.bias[0] = 0.0, 1.0
        for task, gate in zip(net.config.task_names, block.mlp.gate, strict=True):
            weight = gate.w_gate
            weight[0] = 0.0
            if task == "skewed":
                weight[0, 0] = 3.0
            elif task == "idle":
                weight[0, 1::2] = -40.0
            elif task == "same":  # all tokens on expert 2, then expert 1
                weight[0] = torch.tensor([0.0, 20.0, 40.0, 0.0])
            elif task == "ties":  # experts 1, 2 and 3 equal for every token: 1 and 2 win
                weight.zero_()
                weight[0] = torch.tensor([-1.0, 0.5, 0.5, 0.5])


@pytest.fixture(scope="session")
def chain() -> Callable[..., Chain]:
    """`chain(gate, expert_bits)`: a network with one MoE layer in all its forms, built on first use.

    With "multi_gate" its tasks are named after the routing patterns of their gates.
    """
    pytest.importorskip("torch")
    import torch

    from peritus.frontends.qonnx import lower
    from quant_models.network.config import M3VIT_MICRO, TaskConfig
    from quant_models.network.init import new_model, procedural_images
    from quant_models.quantization.export import to_qonnx
    from quant_models.quantization.fold import fake_quantize
    from quant_models.quantization.recipe import Recipe

    built: dict[tuple[str, int], Chain] = {}

    def build(gate: Literal["multi_gate", "task_conditioned"] = "multi_gate", expert_bits: int = 8) -> Chain:
        key = gate, expert_bits
        if key not in built:
            config = replace(M3VIT_MICRO, name=f"micro_{gate}", n_layers=2, gate=gate)
            if gate == "multi_gate":
                config = replace(config, tasks=tuple(TaskConfig(name, "depth", 2) for name in PATTERNS))
            net = new_model(config)
            if gate == "multi_gate":
                with torch.no_grad():
                    _route_by_pattern(net)
            model, _ = fake_quantize(
                net, procedural_images(config, 4, seed=1), Recipe(expert_bits=expert_bits)
            )
            qonnx = to_qonnx(model)
            built[key] = Chain(net, model, qonnx, lower(qonnx))
        return built[key]

    return build


@pytest.fixture(scope="session")
def image() -> Tensor:
    """A test picture for the micro networks, (1, 3, 32, 64)."""
    pytest.importorskip("torch")
    from quant_models.network.config import M3VIT_MICRO
    from quant_models.network.init import procedural_images

    return procedural_images(M3VIT_MICRO, 1, seed=99)
