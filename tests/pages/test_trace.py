# SPDX-License-Identifier: Apache-2.0
"""The trace for ui.perfetto.dev: its form event by event, and what Perfetto itself reads in it."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from peritus.cli import app
from peritus.pages.units import UNIT_OF
from peritus.runtime.timeline import Cause
from tests.pages.perfetto_ui import opened_in_perfetto
from tests.pages.runs import bundle_file, invoked, run_in

NS = 1000  # of a microsecond, the unit of ts and dur


def cycles_of(value: float) -> int:
    """A time of the trace in cycles: a whole number of nanoseconds."""
    found = round(value * NS)
    assert abs(value * NS - found) < 1e-6
    return found


def checked(path: Path) -> dict[str, Any]:
    """The trace, if every event has the form that the format asks for."""
    trace: dict[str, Any] = json.loads(path.read_text())
    assert trace["displayTimeUnit"] == "ns"
    named = set()
    for event in trace["traceEvents"]:
        assert isinstance(event["pid"], int) and isinstance(event["tid"], int) and event["name"]
        match event["ph"]:
            case "M":
                assert event["name"] in ("process_name", "thread_name", "thread_sort_index")
                named.add((event["pid"], event["tid"]))
            case "X":
                assert event["ts"] >= 0 and event["dur"] > 0 and (event["pid"], event["tid"]) in named
                assert all(isinstance(value, int | float | str) for value in event["args"].values())
            case "C":
                assert event["ts"] >= 0 and all(value >= 0 for value in event["args"].values())
            case other:
                pytest.fail(f"event of an unknown kind {other}")
    return trace


def tracks(trace: dict[str, Any], pid: int) -> dict[str, list[dict[str, Any]]]:
    """Slices by the name of their track, in order."""
    events = [event for event in trace["traceEvents"] if event["pid"] == pid]
    names = {e["tid"]: e["args"]["name"] for e in events if e["name"] == "thread_name"}
    found = defaultdict(list)
    for event in events:
        if event["ph"] == "X":
            found[names[event["tid"]]].append(event)
    return found


def no_overlap(slices: list[dict[str, Any]]) -> None:
    ends = 0
    for event in slices:
        start = cycles_of(event["ts"])
        assert start >= ends
        ends = start + cycles_of(event["dur"])


def test_units_are_tracks_and_their_slices_are_the_frame(tmp_path: Path) -> None:
    target, record = tmp_path / "deep" / "trace.json", tmp_path / "cycles.json"
    output = invoked("cycles", bundle_file(tmp_path), "--trace", target, "--json", record)
    cycles = json.loads(record.read_text())["cycles"]["cycle model"]
    trace = checked(target)
    found = tracks(trace, 1)
    units = {name: slices for name, slices in found.items() if name in set(UNIT_OF.values())}
    for slices in found.values():
        no_overlap(slices)
    assert sum(cycles_of(e["dur"]) for slices in units.values() for e in slices) == cycles
    for unit, slices in units.items():
        assert all(UNIT_OF[Cause(event["name"])] == unit for event in slices)
    assert found["instructions"][0]["name"].startswith("LOAD_IMAGE")
    assert sum(event["args"]["cycles"] for event in found["instructions"]) == cycles
    counters = {event["name"] for event in trace["traceEvents"] if event["ph"] == "C"}
    assert counters == {"ring (cycle model)", "port 0 (cycle model)"}
    assert f"{sum(map(len, found.values())):,} slices" in output


@pytest.mark.sim
def test_model_and_rtl_are_processes_of_one_trace(tmp_path: Path) -> None:
    target = tmp_path / "trace.json"
    invoked("cycles", bundle_file(tmp_path), "--rtl", "--trace", target)
    trace = checked(target)
    names = [e["args"]["name"] for e in trace["traceEvents"] if e["name"] == "process_name"]
    assert "cycle model" in names[0] and "RTL" in names[1]


@pytest.mark.sim
def test_of_a_run(tmp_path: Path) -> None:
    target = tmp_path / "trace.json"
    run = run_in(tmp_path, "rtl", "--trace", target)
    cycles = json.loads((run / "run.json").read_text())["frames"][0]["counters"]["cycles"]
    found = tracks(checked(target), 1)
    assert sum(event["args"]["cycles"] for event in found["instructions"]) == cycles


@pytest.mark.parametrize(
    ("device", "ports"), [("iss", "cycle model"), pytest.param("rtl", "RTL", marks=pytest.mark.sim)]
)
def test_perfetto_opens_it(tmp_path: Path, device: str, ports: str) -> None:
    """Nothing is refused, dropped or moved into another's depth; every track has all of its cycles."""
    target = tmp_path / "trace.json"
    run_in(tmp_path, device, "--trace", target)
    trace = checked(target)
    expected = {
        name: [len(slices), sum(cycles_of(event["dur"]) for event in slices)]
        for name, slices in tracks(trace, 1).items()
    }
    with opened_in_perfetto(target) as (page, query):
        assert query("select name, value from stats where severity != 'info' and value != 0") == []
        assert query("select count(*) from slice where depth > 0 or dur < 1") == [[0]]
        found = query(
            "select thread.name, count(*), sum(dur) from slice "
            "join thread_track on track_id = thread_track.id join thread using (utid) group by thread.name"
        )
        assert {name: values for name, *values in found} == expected
        ((bytes_read,),) = query(
            "select int_value from slice join args using (arg_set_id) "
            "where slice.name like 'LOAD_IMAGE%' and args.key = 'args.bytes'"
        )
        assert bytes_read == tracks(trace, 1)["instructions"][0]["args"]["bytes"] > 0
        counters = query(
            "select counter_track.name, count(*) from counter "
            "join counter_track on track_id = counter_track.id group by counter_track.name"
        )
        assert {name for name, _ in counters} == {
            "ring (cycle model) words", f"port 0 ({ports}) bytes a cycle"
        }  # fmt: skip
        assert sum(count for _, count in counters) == sum(e["ph"] == "C" for e in trace["traceEvents"])
        assert page.get_by_text("something went wrong").count() == 0
        for name in expected:
            assert page.get_by_text(name, exact=False).count() >= 1


def test_a_run_that_cannot_be_traced_is_one_line(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["cycles", "nothing.bundle", "--trace", str(tmp_path / "trace.json")])
    assert result.exit_code == 1 and "does not exist" in result.output
