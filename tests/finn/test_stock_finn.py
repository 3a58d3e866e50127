# SPDX-License-Identifier: Apache-2.0
"""Where FINN's own steps stop on the same networks, so that what we say of it stays true or is dropped."""

from pathlib import Path
from typing import Any

import pytest

from tests.finn.networks import exported
from tests.finn.test_networks import config

STEPS = [
    "step_qonnx_to_finn",
    "step_tidy_up",
    "step_streamline",
    "step_convert_to_hw",
    "step_create_dataflow_partition",
]


def stop(folder: Path, name: str) -> tuple[str, str]:
    """The step that raises, and what it says."""
    from finn.builder.build_dataflow import resolve_build_steps
    from qonnx.core.modelwrapper import ModelWrapper

    model: Any = ModelWrapper(exported(name))
    settings = config(folder, STEPS)
    for step in resolve_build_steps(settings):
        try:
            model = step(model, settings)
        except Exception as error:
            return step.__name__, str(error)
    return "", ""


def test_the_encoder_stops_before_the_partition(finn: Path, tmp_path: Path) -> None:
    step, message = stop(tmp_path, "encoder")
    assert step == "step_create_dataflow_partition"
    assert "Unsupported/unmapped layer(s)" in message
    assert "MatMul_0, MatMul_1" in message  # the products of two activations


def test_experts_stop_at_the_first_step(finn: Path, tmp_path: Path) -> None:
    step, message = stop(tmp_path, "moe")
    assert step == "step_qonnx_to_finn"
    assert "Can't constant fold Quant" in message


def test_gelu_is_for_another_family(finn: Path) -> None:
    """FINN's piecewise polynomials, its GELU, have an RTL back end alone, and not for this device."""
    from finn.util.exception import FINNUserError

    from tests.finn.one_node import model_of

    shape = (1, 4, 8)
    with pytest.raises(FINNUserError, match="only supported on Versal"):
        model_of("PWPolyF", [("x", shape, "FLOAT32")], [("y", shape, "FLOAT32")], func="gelu")


@pytest.mark.parametrize(
    ("op", "attributes"),
    [
        ("LayerNorm_hls", {"SIMD": 4, "ifm_dim": [1, 9, 32], "epsilon": 1e-5}),
        ("HWSoftmax_hls", {"SIMD": 3, "ifm_dim": [1, 18, 9]}),
    ],
)
def test_float_counterparts_are_estimated_as_nothing(finn: Path, op: str, attributes: dict[str, Any]) -> None:
    """FINN has no estimate to lay beside ours."""
    from finn.custom_op.fpgadataflow.hls import custom_op
    from onnx import helper

    from tests.finn.one_node import PART

    node = helper.make_node(op, ["x"], ["y"], domain="finn.custom_op.fpgadataflow.hls", **attributes)
    found = custom_op[op](node).node_res_estimation(PART)
    assert {found[kind] for kind in ("LUT", "DSP", "BRAM_18K", "URAM")} == {0}
