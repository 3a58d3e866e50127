# SPDX-License-Identifier: Apache-2.0
"""The tables of the documents are what the machine does today; `peritus bench` prints them anew."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

import peritus
from peritus import api
from peritus.arch.config import load_config
from peritus.bench import CASES, Case, bundle_of, find_cases, model_cycles, rows
from peritus.bench.idle import known_in_advance, with_idle_experts
from peritus.bench.measure import IDLE, KNOWN, ONE_JOB, image_of
from peritus.bench.table import COLUMNS, peers_table
from peritus.bundle import TOGETHER, Bundle
from peritus.cycles import Routing, routing_of
from peritus.runtime.rtl.device import RtlDevice

CYCLES, SHARE = 50, 0.01  # what the cycle model may be off by, the larger of the two
ALWAYS = [case for case in CASES if case.file is None]  # others need a file that make real writes
AGAIN = "take the table again: peritus bench"


def table(page: Path, first: str) -> list[dict[str, str]]:
    """The rows of the table whose head begins with these columns."""
    lines = page.read_text().splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith(first))
    heads = cells(lines[start])
    found = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        found.append(dict(zip(heads, cells(line), strict=True)))
    return found


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def whole(text: str) -> int:
    return int(text.replace(",", ""))


@cache
def prepared(case: Case, work: str) -> tuple[Bundle, str, Routing]:
    """The program, task and routing of a row."""
    bundle = bundle_of(case)
    task = TOGETHER if work.endswith(ONE_JOB) else bundle.tasks[0].name if IDLE in work else work
    if IDLE in work:
        model, use = with_idle_experts(api.load_model(case.model))
        bundle = api.compile(model, hw=case.hw, use=use)
    routing = routing_of(bundle, image_of(bundle), task)
    return (known_in_advance(bundle, task, routing) if work.endswith(KNOWN) else bundle), task, routing


@pytest.fixture(scope="module")
def documented() -> list[dict[str, str]]:
    page = Path(__file__).resolve().parents[2] / "docs" / "benchmarks.md"
    return table(page, "| hw | model | work | cycles a frame |")


def test_every_case_is_in_the_page(documented: list[dict[str, str]]) -> None:
    assert list(documented[0]) == [name for name, _ in COLUMNS]
    known = {(case.hw, case.model) for case in CASES}
    shown = {(row["hw"], row["model"]) for row in documented}
    assert shown <= known and {(case.hw, case.model) for case in ALWAYS} <= shown
    assert all(row["bit-exact"] == "yes" for row in documented)


@pytest.mark.parametrize(
    "case", [case for case in CASES if case.file is None], ids=lambda case: f"{case.model} on {case.hw}"
)
def test_cycles_are_those_of_the_model(documented: list[dict[str, str]], case: Case) -> None:
    mine = [row for row in documented if (row["hw"], row["model"]) == (case.hw, case.model)]
    tasks = [row for row in mine if row["cycle model"]]
    assert tasks
    for row in tasks:
        bundle, task, routing = prepared(case, row["work"])
        predicted = model_cycles(bundle, task, routing)
        assert whole(row["cycle model"]) == predicted, AGAIN
        measured = whole(row["cycles a frame"])
        assert abs(predicted - measured) <= max(CYCLES, SHARE * measured), AGAIN
        assert float(row["ms"]) == pytest.approx(measured / bundle.hw.clock_mhz / 1e3, abs=6e-4)


@pytest.mark.sim
def test_cycles_are_those_of_the_rtl(documented: list[dict[str, str]]) -> None:
    """Of the small network, whose frames take no time; tests/cycles compares the model with the others."""
    (case,) = find_cases("nano", None)
    with peritus.open_device("rtl", hw=load_config(case.hw)) as device:
        assert isinstance(device, RtlDevice)
        found = list(rows(case, device))
    mine = [row for row in documented if row["hw"] == case.hw]
    columns = ("work", "cycles a frame", "first frame", "cycle model", "array busy", "of bound", "bit-exact")
    shown = dict(COLUMNS)
    assert [[shown[name](row) for name in columns] for row in found] == [
        [row[name] for name in columns] for row in mine
    ], AGAIN


def test_the_readme_says_the_same(documented: list[dict[str, str]], repository: Path) -> None:
    known = {(row["hw"], row["model"], row["work"]): row for row in documented}
    shown = table(repository / "README.md", "| hw | model | task | cycles |")
    assert len(shown) >= 3
    for row in shown:
        same = known[row["hw"], row["model"], row["task"]]
        assert (row["cycles"], row["first frame"]) == (same["cycles a frame"], same["first frame"])


def test_what_others_published_is_in_the_page(repository: Path) -> None:
    assert peers_table() in (repository / "docs" / "benchmarks.md").read_text()
