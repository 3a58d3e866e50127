# SPDX-License-Identifier: Apache-2.0
"""Partial, foreign, older and damaged runs: what is missing is said, the rest is shown."""

from __future__ import annotations

import base64
import json
import os
import shutil
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from peritus.arch.isa import Opcode
from peritus.cli import app
from peritus.pages import of_run
from peritus.pages.built import read_built
from peritus.pages.errors import PageError
from peritus.pages.page import page
from peritus.report.run_file import RunError, read_run
from peritus.report.run_parts import PackedTimeline
from peritus.runtime.timeline import Cause, Span, Timeline
from peritus.schema import SchemaError
from peritus.schema.read import MAX_JSON
from tests.pages.runs import run_in
from tests.pages.test_page import embedded

TIMELINE = Timeline.of(
    (Span(0, Cause.IMAGE, 0, 7), Span(1, Cause.ARRAY, 7, 300), Span(0, Cause.DRAIN, 300, 301))
)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_in(tmp_path_factory.mktemp("runs"))


@pytest.fixture
def run(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "run"))


def _frame(**values: Any) -> Callable[[dict[str, Any]], None]:
    return lambda record: record["frames"][0].update(values)


def _header(**values: Any) -> Callable[[dict[str, Any]], None]:
    return lambda record: record["header"].update(values)


def _packed(raw: bytes, spans: int) -> dict[str, Any]:
    return {"spans": spans, "data": base64.b64encode(zlib.compress(raw)).decode()}


def _counters(record: dict[str, Any]) -> None:
    record["frames"][0]["counters"]["cycles"] = 5
    record["frames"][0]["timeline"] = vars(PackedTimeline.of(TIMELINE))


# What is done to a run, what the page says, and whether the frame is still explained.
DAMAGES: dict[str, tuple[Callable[[dict[str, Any]], Any], str, bool]] = {
    "no program": (lambda r: r.pop("program"), "program: ", False),
    "half a program": (lambda r: r.update(program=r["program"][:64]), "expected", False),
    "no header": (lambda r: r.pop("header"), "header is not there", False),
    "another layout": (_header(config_hash="0x1"), "another instruction layout", False),
    "no command": (lambda r: r.pop("origin"), "origin is not there", True),
    "a newer version": (lambda r: r.update(version=9), "version 9, read is 1", True),
    "an older version": (lambda r: r.update(version=0), "version 0, read is 1", True),
    "an older one without its version": (lambda r: r.pop("version"), "version None, read is 1", True),
    "another configuration": (
        lambda r: r["header"]["hw"].update(pn=2 * r["header"]["hw"]["pn"]), "instruction layout", False
    ),
    "no frames": (lambda r: r.update(frames=[]), "no frame can be read", False),
    "frames of text": (lambda r: r.update(frames="many"), "no frame can be read", False),
    "a frame of another record": (lambda r: r["frames"].append({"cycles": 3}), "frame 1: ", True),
    "memory that never moves": (
        lambda r: r.update(memory={"read_latency": 0}), "memory: ", True
    ),
    "a task of another bundle": (_frame(task="dreams"), "no task 'dreams'", False),
    "no routing": (_frame(routing=None), "spreads them evenly", True),
    "more tokens than there are": (_frame(routing=[[1 << 40, 0, 0, 0]] * 2), "spreads them evenly", True),
    "frames without end": (lambda r: r.update(frames=r["frames"] * 99), "of 99 frames the first 16", True),
    "routing of another network": (_frame(routing=[[1, 2]]), "spreads them evenly", True),
    "a timeline that is no data": (_frame(timeline={"spans": 3, "data": "AAAA"}), "cannot be unpacked", True),
    "a timeline cut short": (_frame(timeline=_packed(bytes(7), 3)), "3 spans have 21", True),
    "a timeline without end": (_frame(timeline=_packed(bytes(1 << 22), 1 << 21)), "spans, must be 1..", True),
    "a bomb": (_frame(timeline=_packed(bytes(1 << 26), 9)), "9 spans have 63", True),
    "a timeline of another program": (
        _frame(timeline=vars(PackedTimeline.of(Timeline.of((Span(9999, Cause.ARRAY, 0, 5),))))),
        "instruction 9999",
        True,
    ),
    "a timeline of another frame": (_counters, "it is of another frame", True),
    "ports that give back": (
        _frame(ports={"cycles": [0, 5], "read": [[9, 3]]}), "expected 2 that ascend", False,
    ),
    "a picture elsewhere": (_frame(picture="../../secret.png"), "outside the run's folder", True),
    "a picture that is gone": (_frame(picture="gone.png"), "does not exist", True),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGES)
def test_the_rest_is_shown(run: Path, name: str) -> None:
    damage, said, explained = DAMAGES[name]
    record = json.loads((run / "run.json").read_text())
    damage(record)
    (run / "run.json").write_text(json.dumps(record))
    text = page(of_run(read_run(run)))
    (subject,) = embedded(text)["subjects"]
    told = [*subject["missing"], *(note for frame in subject["frames"] for note in frame["notes"])]
    assert any(said in note for note in told), told
    assert any(frame["causes"] for frame in subject["frames"]) == explained


@pytest.fixture
def traced(run: Path) -> Path:
    """With a timeline, and what two ports read, as of the RTL; nano has one port."""
    record = json.loads((run / "run.json").read_text())
    (frame,) = of_run(read_run(run)).frames
    assert frame.timeline is not None
    record["frames"][0]["timeline"] = vars(PackedTimeline.of(frame.timeline))
    record["frames"][0]["counters"]["cycles"] = frame.timeline.cycles
    record["frames"][0]["ports"] = {"cycles": [0, 500], "read": [[0, 64], [0, 64]]}
    (run / "run.json").write_text(json.dumps(record))
    return run


@pytest.mark.parametrize(
    "ports", [{"cycles": [0, 500], "read": [[0, 64]] * 2}, {"cycles": [0, 1 << 30], "read": [[0, 64]]}]
)
def test_ports_of_another_configuration_or_frame(traced: Path, ports: dict[str, Any]) -> None:
    record = json.loads((traced / "run.json").read_text())
    record["frames"][0]["ports"] = ports
    (traced / "run.json").write_text(json.dumps(record))
    (frame,) = of_run(read_run(traced)).frames
    assert frame.source == "RTL" and frame.ports is None and frame.total is not None
    assert frame.notes == ("what the ports read is of another configuration or frame, and left out",)


@pytest.mark.parametrize("routing", [[[1, 2]], [[1 << 40, 0, 0, 0]] * 2, [[4, 5, 4, 5]]])
def test_experts_of_another_network_are_not_shown(run: Path, routing: list[list[int]]) -> None:
    record = json.loads((run / "run.json").read_text())
    _frame(routing=routing)(record)
    (run / "run.json").write_text(json.dumps(record))
    text = page(of_run(read_run(run)))
    assert embedded(text)["subjects"][0]["frames"][0]["routing"] is None and "Where tokens went" not in text


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"\xff\xfe", b"[]", b"{}", b'{"format": "another"}', b"[" * 99, b" " * (MAX_JSON + 1)],
)
def test_what_is_no_run_is_one_line(run: Path, content: bytes) -> None:
    (run / "run.json").write_bytes(content)
    with pytest.raises(RunError, match="is no record of a run"):
        read_run(run)
    result = CliRunner().invoke(app, ["report", str(run), "-o", str(run / "page.html")])
    assert result.exit_code == 1 and not (run / "page.html").exists()


def test_a_folder_without_a_run(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="peritus run -o FOLDER"):
        read_run(tmp_path)


def test_a_link_out_of_the_folder_is_not_followed(run: Path, tmp_path: Path) -> None:
    picture = run / json.loads((run / "run.json").read_text())["frames"][0]["picture"]
    picture.rename(tmp_path / "elsewhere.png")
    picture.symlink_to(tmp_path / "elsewhere.png")
    (frame,) = of_run(read_run(run)).frames
    assert frame.picture is None and "outside the run's folder" in " ".join(frame.notes)


def test_timelines_survive_packing() -> None:
    assert PackedTimeline.of(TIMELINE).timeline(2) == TIMELINE


def test_a_span_of_no_cycle() -> None:
    still = PackedTimeline.of(Timeline.of((Span(0, Cause.ARRAY, 0, 4), Span(0, Cause.DRAIN, 4, 4))))
    with pytest.raises(SchemaError, match="no cycle"):
        still.timeline(1)


@pytest.mark.parametrize("opcode", [Opcode.LOAD_IMAGE, Opcode.STORE])
def test_a_program_that_moves_nothing(run: Path, opcode: Opcode) -> None:
    """Its checksum is nobody's, so that it may hold what no compiler writes."""
    read = read_run(run)
    assert read.program is not None
    instructions = tuple(
        replace(instruction, tokens=0) if instruction.opcode is opcode else instruction
        for instruction in read.program.instructions
    )
    (frame,) = of_run(replace(read, program=replace(read.program, instructions=instructions))).frames
    assert any(f"{opcode.name} of no beat cannot be timed" in note for note in frame.notes)


def test_a_pipe_is_no_record(tmp_path: Path) -> None:
    """It would be waited for."""
    os.mkfifo(tmp_path / "run.json")
    with pytest.raises(RunError, match=r"run\.json is no regular file; `peritus run -o FOLDER` writes it"):
        read_run(tmp_path)
    with pytest.raises(PageError, match=r"no record of a build or an estimate: the file is no regular file"):
        read_built([tmp_path / "run.json"], "nano")
