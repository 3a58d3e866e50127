# SPDX-License-Identifier: Apache-2.0
"""The prover itself: what it proves quickly, what it refuses. `make prove` proves all units."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from peritus.arch.config import load_config
from peritus.arch.units import latency
from peritus.eda.prove.balance import NotBalanced, depth
from peritus.eda.prove.exhaust import differs
from peritus.eda.prove.model import NotStraight, modules
from peritus.eda.prove.prove import Answer, BugError, prove
from peritus.eda.prove.units import UNITS, Unit
from peritus.resources import resource

pytestmark = [pytest.mark.prove, pytest.mark.synth]
NANO = load_config("nano")
BY_NAME = {unit.name: unit for unit in UNITS}


def test_a_proof_a_bug_and_the_depth_of_the_pipeline() -> None:
    unit = BY_NAME["round_shift"]
    verdict = prove(unit, NANO)
    assert verdict.answer is Answer.EQUAL and verdict.depth == latency("round_shift")
    assert prove(unit, NANO, unit.bugs[0]).answer is Answer.DIFFERENT


def test_a_bug_that_is_not_there_is_named() -> None:
    with pytest.raises(BugError, match="has no text 'nothing of it'"):
        prove(BY_NAME["round_shift"], NANO, ("nothing of it", ""))


def test_a_way_out_of_step_is_named() -> None:
    unit = BY_NAME["stage2"]
    with pytest.raises(NotBalanced, match="registers meet"):
        prove(unit, NANO, unit.bugs[2])


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_every_unit_has_its_files_and_three_bugs(unit: Unit) -> None:
    block = next(resource("rtl").rglob(f"{unit.block}.sv")).read_text()
    assert len(unit.bugs) >= 3 and all(
        (old in block and new not in ("", old)) or old in block for old, new in unit.bugs
    )
    assert f"module proof_{unit.name}" in resource(f"hls/proof/{unit.file}.sv").read_text()
    assert resource(f"hls/proof/{unit.file}.cpp").is_file()
    assert all(resource(f"hls/proof/stand_ins/{name}.sv").is_file() for name in unit.replaced)


def _interface(path: Path) -> set[str]:
    """Names of the parameters and ports of the module in a file."""
    head = re.search(r"^module .*?^\);", path.read_text(), re.DOTALL | re.MULTILINE)
    assert head is not None
    plain = re.sub(r"//[^\n]*", "", head[0])
    return set(re.findall(r"\bparameter\s+[^=]*?(\w+) =|\b(\w+_n?[io])\b", plain))


@pytest.mark.parametrize("name", sorted({name for unit in UNITS for name in unit.replaced}))
def test_a_stand_in_has_the_ports_of_what_it_replaces(name: str) -> None:
    block = next(resource("rtl").rglob(f"{name}.sv"))
    assert _interface(resource(f"hls/proof/stand_ins/{name}.sv")) == _interface(block)


def ir(body: str) -> str:
    return f"define i8 @model_f(i8 %a, i8 %b) {{\n{body}\n}}\n"


def test_branches_become_choices() -> None:
    text = modules(
        ir(
            "entry:\n  %c = icmp ult i8 %a, %b\n  br i1 %c, label %small, label %end\n"
            "small:\n  %d = add i8 %a, 1\n  br label %end\n"
            "end:\n  %r = phi i8 [ %d, %small ], [ %b, %entry ]\n  ret i8 %r"
        )
    )
    assert "module model_f" in text and "a < b" in text and "output logic [7:0] result" in text


@pytest.mark.parametrize(
    "body",
    [
        "entry:\n  br label %next\nnext:\n  %n = phi i8 [ %a, %entry ], [ %m, %next ]\n  %m = add i8 %n, 1\n"
        "  %c = icmp ult i8 %m, %b\n  br i1 %c, label %next, label %end\nend:\n  ret i8 %m",
        "  %r = udiv i8 %a, %b\n  ret i8 %r",
        "  %p = alloca i8\n  store i8 %a, ptr %p\n  %r = load i8, ptr %p\n  ret i8 %r",
    ],
    ids=["loop", "division", "memory"],
)
def test_what_is_no_logic_is_refused(body: str) -> None:
    with pytest.raises(NotStraight, match="model_f"):
        modules(ir(body))


def _design(cells: dict[str, object]) -> dict[str, object]:
    ports = {
        "c": {"direction": "input", "bits": [2]},
        "x": {"direction": "input", "bits": [3]},
        "y": {"direction": "output", "bits": [9]},
    }
    return {"modules": {"top": {"ports": ports, "cells": cells}}}


def _register(d: int, q: int) -> dict[str, object]:
    directions = {"C": "input", "D": "input", "Q": "output"}
    return {"type": "$_DFF_P_", "port_directions": directions, "connections": {"C": [2], "D": [d], "Q": [q]}}


def _and(a: int, b: int, y: int) -> dict[str, object]:
    directions = {"A": "input", "B": "input", "Y": "output"}
    return {"type": "$_AND_", "port_directions": directions, "connections": {"A": [a], "B": [b], "Y": [y]}}


def test_depth_of_a_pipeline() -> None:
    two = {"r1": _register(3, 4), "r2": _register(4, 5), "and": _and(5, 5, 9)}
    assert depth(_design(two), "top") == 2
    with pytest.raises(NotBalanced, match=r"at and .* ways of 1 and 2 registers meet"):
        depth(_design({**two, "and": _and(4, 5, 9)}), "top")
    with pytest.raises(NotBalanced, match="depends on itself"):
        depth(_design({"and": _and(3, 4, 9), "r1": _register(9, 4)}), "top")


def test_every_input_is_tried() -> None:
    # differ = i0 & i1, assumed = !i0: never together; assumed = i0: together for one input.
    text = "aag 3 2 0 2 1\n2\n4\n{}\n6\n6 2 4\ni0 x[0]\ni1 x[1]\no0 assumed\no1 differ\n"
    assert not differs(text.format(3))
    assert differs(text.format(2))


def test_a_wrong_model_is_found_exhaustively() -> None:
    unit = replace(BY_NAME["exponents"], bugs=())
    assert prove(unit, NANO).answer is Answer.EQUAL
    assert prove(unit, NANO, BY_NAME["exponents"].bugs[0]).answer is Answer.DIFFERENT
