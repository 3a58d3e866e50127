# SPDX-License-Identifier: Apache-2.0
"""Experts in the order of their use: other instructions, the same map; files of `peritus sparsity`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from peritus.arch.config import load_config
from peritus.compiler import CompileError, compile_model
from peritus.compiler.expert_use import read_expert_use
from peritus.ir.random_model import Dims, random_image, random_model
from peritus.runtime.iss.device import IssDevice

NANO = load_config("nano")
DIMS = Dims(layers=2)
MODEL = random_model(DIMS)
(ROUTER,) = [node.name for node in MODEL.graph.nodes if type(node).__name__ == "Router"]


def test_seldom_used_ones_come_last() -> None:
    bundle = compile_model(MODEL, NANO, use={ROUTER: [0.1, 0.5, 0.1, 0.9]})
    assert [i.expert for i in bundle.instructions if i.expert_valid] == [3, 3, 1, 1, 0, 0, 2, 2]
    firsts = [(f.expert, f.first_of_gate) for f in bundle.fetches if f.expert_valid]
    assert firsts == [(3, 1), (3, 0), (1, 0), (1, 0), (0, 0), (0, 0), (2, 0), (2, 0)]
    image, maps = random_image(DIMS), []
    for compiled in (bundle, compile_model(MODEL, NANO)):
        with IssDevice(NANO) as device:
            device.load(compiled)
            maps.append(device.run(image, task="task0", features=True))
    assert np.array_equal(maps[0].outputs["task0"], maps[1].outputs["task0"])
    assert np.array_equal(maps[0].raw_features, maps[1].raw_features)


def test_a_file_of_the_command(tmp_path: Path) -> None:
    path = tmp_path / "use.json"
    path.write_text(
        json.dumps(
            {"layers": ["a", "b"], "expert_use": {"x": [[0.5, 0], [1, 0]], "y": [[0, 0.25], [0, 1]]}, "hw": 1}
        )
    )
    assert read_expert_use(path) == {"a": [0.5, 0.25], "b": [1, 1]}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"layers": ["a"], "expert_use": {"x": []}}',
        '{"layers": ["a"], "expert_use": {"x": [["no"]]}}',
    ],
)
def test_no_such_file(tmp_path: Path, text: str) -> None:
    path = tmp_path / "use.json"
    path.write_text(text)
    with pytest.raises(CompileError, match="no expert use"):
        read_expert_use(path)
    with pytest.raises(CompileError, match="no expert use"):
        read_expert_use(tmp_path / "missing.json")


def test_of_another_network() -> None:
    with pytest.raises(CompileError, match=f"routers are {ROUTER}"):
        compile_model(MODEL, NANO, use={"other": [1.0]})
    with pytest.raises(CompileError, match=r"use of 3 experts of router .*: it has 4"):
        compile_model(MODEL, NANO, use={ROUTER: [1.0, 0.5, 0.1]})
