# SPDX-License-Identifier: Apache-2.0
"""What our nodes tell FINN of their multipliers is what open synthesis found: the table of docs/finn.md."""

from pathlib import Path
from typing import Any

import pytest

from tests.finn.one_node import PART

ROW: dict[str, Any] = {"NumChannels": 32}
FRAME: dict[str, Any] = {**ROW, "NumTokens": 9}
ATTENTION: dict[str, Any] = {"NumTokens": 9, "heads": 2, "head_dim": 16}
# The sizes of tools/finn_resources.py.
NODES: dict[str, dict[str, Any]] = {
    "PeritusGelu": {**ROW, "PE": 4},
    "PeritusRequant": {**ROW, "PE": 4, "inputDataType": "INT25"},
    "PeritusLayerNorm": {**ROW, "SIMD": 4, "epsilon": 0},
    "PeritusSoftmax": {"NumChannels": 9, "SIMD": 3},
    "PeritusScores": ATTENTION,
    "PeritusValues": {**ATTENTION, "PE": 4},
    "PeritusRouter": {"NumChannels": 4, "topk": 2},
    "MoEDispatch": {**FRAME, "experts": 4, "topk": 2, "SIMD": 4},
    "MoEMVAU": {"MW": 32, "MH": 32, "SIMD": 4, "PE": 4, "experts": 4},
    "MoECombine": {**FRAME, "topk": 2, "PE": 4, "score_shift": 15},
    "PeritusAdd": {**ROW, "PE": 4},
}


@pytest.mark.parametrize("op", NODES)
def test_multipliers(finn: Path, repository: Path, op: str) -> None:
    from finn.custom_op.fpgadataflow import custom_op
    from onnx import helper

    (row,) = (
        line.split("|")
        for line in (repository / "docs" / "finn.md").read_text().splitlines()
        if line.startswith(f"| {op} |")
    )
    node = helper.make_node(op, ["i"], ["o"], domain="finn.custom_op.fpgadataflow", **NODES[op])
    assert custom_op[op](node).node_res_estimation(PART)["DSP"] == int(row[4])
