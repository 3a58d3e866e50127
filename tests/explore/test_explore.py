# SPDX-License-Identifier: Apache-2.0
"""Sweeps: the area is the synthesis estimate's, failed points say why, an interrupted sweep goes on."""

from __future__ import annotations

import json
import re
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner

from peritus import api
from peritus.arch.config import load_config
from peritus.cli import app
from peritus.eda.board import board_names, load_board, vivado_settings
from peritus.eda.errors import DoesNotFit
from peritus.explore import Area, Axis, ExploreError, Point, area_of, front, points, svg, sweep
from peritus.explore.area import check_part
from peritus.explore.sweep import RECORDS

NANO = load_config("nano")
MODEL = str(api.model_path("m3vit_micro"))


def swept(*axes: str) -> list[Point]:
    return list(points(NANO, [Axis.parse(text) for text in axes], {MODEL: "digest"}, None))


def test_the_area_is_that_of_the_synthesis_estimate(repository: Path) -> None:
    """docs/estimate.md has what Yosys counted; nano's multipliers of eight lanes are a little simpler."""
    text = (repository / "docs" / "estimate.md").read_text()
    rows = re.findall(
        r"^\| `(\w+)` \d+×\d+ \| ([\d,]+) \| [\d,]+ \| (\d+) \| ([\d.]+) \|", text, re.MULTILINE
    )
    assert len(rows) == 4
    for name, dsp, uram, bram in rows:
        area = area_of(load_config(name))
        assert area.uram == int(uram)
        assert abs(area.dsp - int(dsp.replace(",", ""))) <= (2 if name == "nano" else 0)
        assert abs(area.bram - float(bram)) <= max(0.5, 0.01 * float(bram))


def test_more_of_anything_needs_more() -> None:
    zcu104 = load_config("zcu104")
    assert area_of(load_config("edge")).dsp < area_of(zcu104).dsp
    assert area_of(replace(zcu104, dsp_ratio=1)).dsp == area_of(zcu104).dsp + zcu104.macs_per_cycle // 4
    small, large = area_of(zcu104), area_of(replace(zcu104, act_words=8192, kv_words=4096))
    assert small.dsp == large.dsp and small.uram < large.uram and small.bram < large.bram
    assert isinstance(small, Area)


def test_points_are_every_combination() -> None:
    found = swept("pk=8,16", "ddr.bytes_per_cycle=3,6")
    assert [point.name for point in found] == [
        f"pk={pk} ddr.bytes_per_cycle={rate}" for pk in (8, 16) for rate in (3, 6)
    ]
    assert len({point.key for point in found}) == 4
    assert found[1].table()["ddr"]["bytes_per_cycle"] == 6 and found[1].table()["pk"] == 8
    assert [point.name for point in swept()] == ["base"]


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        (["depth=1"], "fields: pk, pn"),
        (["pk"], "write FIELD=VALUE"),
        (["pk=eight"], "are not numbers"),
        (["pk=8", "pk=16"], "pk varied twice"),
        ([f"pk={','.join('8' * 400)}", f"pn={','.join('8' * 400)}"], "160,000 points, at most 100,000"),
    ],
)
def test_senseless_sweeps_are_refused(axes: list[str], message: str) -> None:
    with pytest.raises(ExploreError, match=message):
        swept(*axes)


class Counting(Executor):
    """Runs at once, and counts; every job behind the `limit`-th is interrupted."""

    def __init__(self, limit: int = 1000) -> None:
        self.done, self.limit = 0, limit

    def submit(self, function, /, *arguments, **named):  # type: ignore[no-untyped-def]
        future: Future[object] = Future()
        self.done += 1
        if self.done > self.limit:
            future.set_exception(KeyboardInterrupt())
        else:
            future.set_result(function(*arguments, **named))
        return future


def test_a_sweep_goes_on_where_it_was_interrupted(tmp_path: Path) -> None:
    wanted = swept("weight_store_words=64,256,1024", "pk=8,24")
    told: list[int] = []
    sweep(wanted[:2], tmp_path, Counting(), told.append)
    with pytest.raises(KeyboardInterrupt):
        sweep(wanted, tmp_path, Counting(2), told.append)
    kept = (tmp_path / RECORDS).read_text().splitlines()
    assert 2 <= len(kept) <= 4
    with (tmp_path / RECORDS).open("a") as file:
        file.write('{"key": "cut sho')
    again = Counting()
    records = sweep(wanted, tmp_path, again, told.append)
    assert again.done == len(wanted) - len(kept) and told[-1] == len(wanted)
    assert [record["point"] for record in records] == [point.name for point in wanted]
    last = Counting()
    assert sweep(wanted, tmp_path, last, told.append) == records and last.done == 0
    failed = [record for record in records if "failed" in record]
    message = "pk = 24, must be 8, 16, 32 or 64"
    assert len(failed) == 3 and all(message in record["failed"] for record in failed)


@pytest.mark.parametrize(
    "content",
    [
        b"a letter\nto a friend\n",
        b"\xff\xfe\n{}\n",
        b"[" * 100_000 + b"\n{}\n",
        b'{"key": ["x"]}\n{}\n',
        b"[1]\n{}\n",
        b'{"key": NaN}\n{}\n',
    ],
)
def test_another_file_is_no_sweep(tmp_path: Path, content: bytes) -> None:
    (tmp_path / RECORDS).write_bytes(content)
    with pytest.raises(ExploreError, match="line 1 is no record of a sweep: take another folder"):
        sweep(swept(), tmp_path, Counting(), lambda done: None)


def record(key: str, cycles: int, dsp: int, model: str = "m") -> dict[str, object]:
    return {
        "key": key, "model": model, "point": key, "cycles": cycles, "dsp": dsp, "uram": 1, "bram": 1.0,
        "ddr_bytes": 10,
    }  # fmt: skip


def test_the_front_is_what_nothing_beats() -> None:
    records = [
        record("fast", 10, 9), record("small", 20, 3), record("beaten", 21, 4), record("twin", 20, 3),
        record("alone", 99, 99, model="other"), {"key": "f", "model": "m", "point": "f", "failed": "why"},
    ]  # fmt: skip
    best = front(records)
    assert [r["key"] for r in best] == ["fast", "small", "twin", "alone"]
    tree = ElementTree.fromstring(svg(records, best))
    circles = [e for e in tree.iter() if e.tag.endswith("circle") and len(e)]
    assert len(circles) == 4 * 5  # panels, points
    assert sum(circle.attrib["fill"] != "none" for circle in circles) == 4 * 4
    ElementTree.fromstring(svg([], []))


def test_the_command(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    arguments = ["m3vit_micro", "--hw", "nano", "--vary", "weight_store_words=64,1024", "--vary", "pk=8,24"]
    result = CliRunner().invoke(
        app, ["explore", *arguments, "-o", str(folder), "--jobs", "1", "--json", str(tmp_path / "r.json")]
    )
    assert result.exit_code == 0, result.output
    assert "1 of 2 points" in result.output and "pk = 24, must be" in result.output
    assert (folder / "explored.svg").read_text().startswith("<svg")
    records = json.loads((tmp_path / "r.json").read_text())["records"]
    assert len(records) == 4 and records[0]["cycles"] > 60_000


def test_threads_do_as_well_as_processes(tmp_path: Path) -> None:
    with ThreadPoolExecutor(2) as executor:
        records = sweep(swept("acc_depth=16,32"), tmp_path, executor, lambda done: None)
    assert all("cycles" in one for one in records)


def test_what_is_over_the_part_is_refused_with_its_numbers() -> None:
    """Blocks of the memories that are too large, by what the device has; and what to make smaller."""
    zcu104, part = load_config("zcu104"), "xczu7ev-ffvc1156-2-e"
    for board in (load_board(name) for name in board_names()):
        if board.flow == "vivado":
            check_part(load_config(board.hw), vivado_settings(board).part)
    check_part(load_config("zcu104_vit"), part)
    larger = replace(zcu104, resident_words=32760)
    with pytest.raises(
        DoesNotFit,
        match=rf"zcu104 does not fit an XCZU7EV: {area_of(larger).uram} URAM288 of 96; .*resident_words",
    ):
        check_part(larger, part)
    both = replace(zcu104, dsp_ratio=1, kv_words=16384)
    with pytest.raises(DoesNotFit, match=r"2,?\d+ DSP48E2 of 1728, [\d.]+ RAMB36 of 312"):
        check_part(both, part)
    with pytest.raises(DoesNotFit, match=r"XCK26: .* URAM288 of 64"):
        check_part(zcu104, "xck26-sfvc784-2LV-c")
