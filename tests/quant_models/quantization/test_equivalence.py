# SPDX-License-Identifier: Apache-2.0
"""One image through PyTorch, Brevitas, QONNX's executor and the integer graph, with several routing patterns.

Brevitas and QONNX round half to even and work in float32, the integer graph rounds half up with 16-bit
factors. A value near a rounding boundary may differ by one step of its grid and carry on from there, and one
of the nine tokens on a near-tie of a router may take another second expert (35 dB): so the stages agree to a
bound. Typical values are 28 to 40, 100 and 45 to 50 dB; a wrong scale anywhere gives less than 20.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from peritus.ir import execute  # noqa: E402
from quant_models.network.moe import route  # noqa: E402
from quant_models.network.noise import snr_db  # noqa: E402
from quant_models.quantization.quantize import to_uint8  # noqa: E402

pytestmark = pytest.mark.models

FLOAT_TO_FAKE_QUANT_DB = 25.0
FAKE_QUANT_TO_QONNX_DB = 40.0
QONNX_TO_INTEGER_DB = 30.0

CASES = [("multi_gate", task) for task in ("even", "skewed", "idle", "same", "ties")] + [
    ("task_conditioned", task) for task in ("semseg", "depth")
]


def _expert_loads(built: Any, image: Any, task: str) -> tuple[list[int], list[int]]:
    """Tokens per expert, in the float network and in the integer graph."""
    net, graph = built.net, built.graph
    moe = net.backbone.layers[1].mlp
    seen: list[Any] = []
    hook = moe.register_forward_hook(lambda _, args, out: seen.append(args))
    net(image, task)
    hook.remove()
    x, index, embedding = seen[0]
    chosen, _ = route(moe.logits(x.flatten(0, 1), index, embedding), moe.top_k)
    float_loads = torch.bincount(chosen.flatten(), minlength=moe.n_experts).tolist()
    values = execute(graph, to_uint8(image)[0], task, keep_values=True).values
    routing = values["blocks.1.mlp.router"]
    return float_loads, [len(routing.queue(e)[0]) for e in range(moe.n_experts)]


@pytest.mark.parametrize(("gate", "task"), CASES)
def test_stages_agree(chain: Callable[..., Any], image: Any, gate: str, task: str) -> None:
    built = chain(gate)
    graph = built.graph
    index = built.net.config.task_index(task)
    with torch.no_grad():
        floats = built.net.features(image, task), built.net(image, task)
        model = built.model(image, torch.tensor(index))
    outputs = built.run_qonnx(image, index)
    qonnx = torch.from_numpy(outputs["features"]), torch.from_numpy(outputs[task])
    result = execute(graph, to_uint8(image)[0], task)
    integers = (
        torch.from_numpy(result.features * graph.residual_scale)[None],
        torch.from_numpy(result.output * graph.tasks[index].scale).permute(2, 0, 1)[None],
    )
    stages = zip(("features", "map"), floats, (model[0], model[1 + index]), qonnx, integers, strict=True)
    for what, in_torch, in_brevitas, in_qonnx, in_integers in stages:
        assert snr_db(in_torch, in_brevitas) > FLOAT_TO_FAKE_QUANT_DB, what
        assert snr_db(in_brevitas, in_qonnx) > FAKE_QUANT_TO_QONNX_DB, what
        assert snr_db(in_qonnx, in_integers) > QONNX_TO_INTEGER_DB, what


def test_patterns_are_what_they_are_called(chain: Callable[..., Any], image: Any) -> None:
    """Otherwise the comparison above would compare the same routing five times."""
    loads = {task: _expert_loads(chain("multi_gate"), image, task) for _, task in CASES[:5]}
    assert loads["idle"] == ([9, 0, 9, 0],) * 2
    assert loads["same"] == ([0, 9, 9, 0],) * 2
    assert loads["ties"] == ([0, 9, 9, 0],) * 2
    for in_float, in_integers in loads.values():
        assert in_float == in_integers
    assert min(loads["even"][0]) > 0
    assert max(loads["skewed"][0]) == loads["skewed"][0][0] > 6


def test_moe_operator_equals_the_layer(chain: Callable[..., Any]) -> None:
    """The exported operator against the Brevitas module that it stands for, on random tokens."""
    from onnx import helper

    from peritus.frontends.moe_format import DOMAIN, MOE
    from peritus.frontends.qonnx_ops import MoE
    from peritus.reference import HIDDEN_ZERO_POINT
    from quant_models.quantization.quantizers import weight_of

    layer = chain("multi_gate").model.backbone.layers[1].mlp
    generator = torch.Generator().manual_seed(5)
    x = torch.randint(-128, 128, (1, 200, 64), generator=generator).float()
    task = torch.tensor(1)
    with torch.no_grad():
        logits = layer.logits(x, task)
        expected = layer(x, task).numpy()
        tensors = {
            "x": x,
            "logits": logits,
            "w1": weight_of(layer.htoh4).reshape(4, 64, 64),
            "b1": layer.htoh4.bias.reshape(4, 64),
            "factor": layer.hidden_factor,
            "w2": weight_of(layer.h4toh).reshape(4, 64, 64),
            "b2": layer.h4toh.bias.reshape(4, 64),
        }
    context = {name: value.detach().numpy() for name, value in tensors.items()}
    node = helper.make_node(
        MOE,
        list(context),
        ["y"],
        name="moe",
        domain=DOMAIN,
        top_k=2,
        residual_scale=layer.residual_scale,
        zero_point=HIDDEN_ZERO_POINT,
    )
    MoE(node, onnx_opset_version=1).execute_node(context, None)
    steps = np.abs(context["y"] - expected) / layer.residual_scale
    # A hidden value on a rounding boundary may differ by one step and move a few outputs with it.
    assert np.median(steps) == 0
    assert (steps <= 1.001).mean() > 0.99
    assert steps.max() < 64


def test_qonnx_transformations_accept_the_file(chain: Callable[..., Any]) -> None:
    """Shape and data type inference of QONNX run through, and find int8 activations."""
    from qonnx.core.datatype import DataType
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.transformation.infer_datatypes import InferDataTypes
    from qonnx.transformation.infer_shapes import InferShapes

    model = ModelWrapper(chain("multi_gate").qonnx).transform(InferShapes()).transform(InferDataTypes())
    (moe,) = model.get_nodes_by_op_type("MoE")
    assert model.get_tensor_shape(moe.output[0]) == [1, 9, 64]
    assert model.get_tensor_datatype(moe.input[0]) == DataType["INT8"]
