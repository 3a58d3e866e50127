# SPDX-License-Identifier: Apache-2.0
"""Our nodes' multipliers as FINN is told are those of open synthesis (table of docs/finn.md); the sum."""

from pathlib import Path
from typing import Any

import pytest

from tests.finn.networks import exported
from tests.finn.one_node import PART
from tests.finn.test_networks import STEPS, config

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
    "PeritusFork": {**ROW, "PE": 4, "inputDataType": "INT16", "NumOutputStreams": 2},
    "PeritusEmbed": {**FRAME, "PE": 4, "prefix": 1},
}


def table(repository: Path) -> dict[str, list[float]]:
    """Of the page: LUT, FF, DSP48E2, RAMB36 and levels of each of our nodes."""
    rows = [
        [cell.strip() for cell in line.split("|")[1:-1]]
        for line in (repository / "docs" / "finn.md").read_text().splitlines()
    ]
    return {row[0]: [float(cell) for cell in row[1:]] for row in rows if row and row[0] in NODES}


@pytest.mark.parametrize("op", NODES)
def test_multipliers(finn: Path, repository: Path, op: str) -> None:
    from finn.custom_op.fpgadataflow import custom_op
    from onnx import helper

    node = helper.make_node(op, ["i"], ["o"], domain="finn.custom_op.fpgadataflow", **NODES[op])
    assert custom_op[op](node).node_res_estimation(PART)["DSP"] == table(repository)[op][2]


def test_sum_of_a_network(finn: Path, repository: Path, tmp_path: Path) -> None:
    """The two-block network: our nodes by that table, FINN's by its own estimate."""
    from finn.builder.build_dataflow import resolve_build_steps
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.custom_op.registry import getCustomOp

    settings, ours = config(tmp_path, STEPS), table(repository)
    model: Any = ModelWrapper(exported("m3vit"))
    for step in resolve_build_steps(settings):
        if step.__name__ != "step_hw_codegen":
            model = step(model, settings)
    sums = {"LUT": 0.0, "DSP48E2": 0.0, "RAMB36": 0.0}
    for node in model.graph.node:
        found = getCustomOp(node).node_res_estimation(PART)
        mine = ours.get(node.op_type.removesuffix("_rtl"))
        sums["LUT"] += mine[0] if mine else found["LUT"]
        sums["DSP48E2"] += found["DSP"]
        sums["RAMB36"] += mine[3] if mine else found["BRAM_18K"] / 2
    row = ", ".join(f"{value:,.1f} {name}".replace(".0 ", " ") for name, value in sums.items())
    print(f"m3vit in dataflow: {row}")
    assert row in (repository / "docs" / "finn.md").read_text()
