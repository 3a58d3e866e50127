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


# Of a node of ours: FINN's node that does the same, mostly in float, at the size of tools/finn_resources.py.
PRODUCT = {  # of two activations
    "mem_mode": "dynamic", "noActivation": 1, "numInputVectors": [1, 18], "inputDataType": "INT8",
    "weightDataType": "INT8", "outputDataType": "INT32",
}  # fmt: skip
FLOATS = {"inputDataType": "FLOAT32", "outputDataType": "FLOAT32"}
COUNTERPARTS: dict[str, tuple[str, dict[str, Any]]] = {
    "PeritusGelu": ("PWPolyF", {"func": "gelu", "NumChannels": 32, "PE": 4, **FLOATS}),
    "PeritusRequant": (
        "Requant_rtl",
        {"NumChannels": 32, "PE": 4, "inputDataType": "INT25", "outputDataType": "INT8"},
    ),
    "PeritusLayerNorm": ("LayerNorm_hls", {"SIMD": 4, "ifm_dim": [1, 9, 32], "epsilon": 1e-5}),
    "PeritusSoftmax": ("HWSoftmax_hls", {"SIMD": 3, "ifm_dim": [1, 18, 9]}),
    "PeritusScores": ("MVAU_rtl", {"MW": 16, "MH": 9, "SIMD": 16, "PE": 1, **PRODUCT}),
    "PeritusValues": ("MVAU_rtl", {"MW": 9, "MH": 16, "SIMD": 1, "PE": 16, **PRODUCT}),
    "PeritusRouter": ("LabelSelect_hls", {"Labels": 4, "PE": 1, "K": 2, "inputDataType": "INT16"}),
    "MoEMVAU": (
        "MVAU_rtl",
        {"MW": 32, "MH": 32, "SIMD": 4, "PE": 4, "noActivation": 1, "numInputVectors": [1, 18]}
        | {"inputDataType": "INT8", "weightDataType": "INT8", "outputDataType": "INT32"},
    ),
    "PeritusAdd": (
        "ElementwiseAdd_hls",
        {f"{side}_shape": [1, 9, 32] for side in ("lhs", "rhs", "out")}
        | {f"{side}_dtype": "FLOAT32" for side in ("lhs", "rhs", "out")}
        | {"PE": 4},
    ),
    "PeritusFork": (
        "DuplicateStreams_hls",
        {"NumChannels": 32, "PE": 4, "NumOutputStreams": 2, "inputDataType": "INT16", "numInputVectors": [9]},
    ),
}


@pytest.mark.parametrize("ours", COUNTERPARTS)
def test_estimate_of_a_counterpart(finn: Path, repository: Path, ours: str) -> None:
    """FINN's own, as docs/finn.md has it."""
    from finn.custom_op.fpgadataflow import custom_op
    from finn.custom_op.fpgadataflow.hls import custom_op as hls
    from finn.custom_op.fpgadataflow.rtl import custom_op as rtl
    from onnx import helper

    from tests.finn.one_node import PART

    op, attributes = COUNTERPARTS[ours]
    kind, table = next(
        (kind, table) for kind, table in (("hls", hls), ("rtl", rtl), ("", custom_op)) if op in table
    )
    domain = ".".join(filter(None, ("finn.custom_op.fpgadataflow", kind)))
    node = table[op](helper.make_node(op, ["x", "w"], ["y"], domain=domain, **attributes))
    found = node.node_res_estimation(PART)
    row = f"| `{ours}` | `{op}` | {found['LUT']} | {found['DSP']} | {found['BRAM_18K']} |"
    print(row)
    assert row in (repository / "docs" / "finn.md").read_text()
