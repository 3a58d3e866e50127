# SPDX-License-Identifier: Apache-2.0
"""Board descriptions, and the sources, constraints and settings of the projects written from them."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from peritus.arch import ip, registers
from peritus.arch.config import BURST_BEATS, load_config
from peritus.arch.register_field import Field
from peritus.arch.register_map import register_fields
from peritus.eda.board import Board, board_names, load_board, parse_board, vivado_settings
from peritus.eda.errors import BoardFileError, ProjectError
from peritus.eda.sources import TOP, design_files
from peritus.eda.vivado.ports import parameter_default, top_ports
from peritus.eda.vivado.project import Project, write_project
from peritus.eda.vivado.tcl_array import tcl_array
from peritus.eda.vivado.wrapper import MODULE

GOOD = """\
title = "A board"
flow = "vivado"
hw = "edge"
model = "m3vit_tiny"
[vivado]
part = "p"
board_part = "v:b:part0"
memory = ["DDR_LOW"]
ports = ["HP0", "HPC1"]
"""


def board_from(text: str, folder: Path) -> Board:
    (folder / "board.toml").write_text(text)
    return parse_board("mine", folder / "board.toml")


def test_both_boards_are_there() -> None:
    assert {"kv260", "zcu104"} <= set(board_names())
    assert load_board("zcu104").hw == "zcu104"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('hw = "edge"\n', "", "hw"),
        ('hw = "edge"', 'hw = "edges"', "hw = 'edges', must be one of nano"),
        ('title = "A board"', 'title = "A board"\ncolour = 1', "colour"),
        ("[vivado]", "[vivados]", "vivados"),
        ("title =", "title", "board.toml"),
        ('part = "p"\n', "", "part"),
        ('["DDR_LOW"]', '["DDR"]', "memory = \\['DDR'\\]"),
        ('["DDR_LOW"]', "[]", "memory"),
        ('"HPC1"', '"HP4"', r"ports = \['HP0', 'HP4'\], must be different ones of HPC0, HPC1, HP0"),
        ('"HPC1"', '"HP0"', "must be different ones"),
        (', "HPC1"', "", "1 ports, must be 2 as hw edge has"),
        ("v:b:part0", "v:b:part0:1.0", "must be vendor:name:part"),
    ],
)
def test_a_wrong_description_is_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert vivado_settings(board_from(GOOD, tmp_path)).memory == ("DDR_LOW",)
    assert old in GOOD
    with pytest.raises(BoardFileError, match=message):
        vivado_settings(board_from(GOOD.replace(old, new), tmp_path))


def test_a_clock_that_the_processor_cannot_make_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before Vivado spends hours on a design that is constrained to another clock."""
    slow = replace(load_config("edge"), clock_mhz=200)
    monkeypatch.setattr("peritus.eda.board.load_config", lambda _: slow)
    with pytest.raises(
        BoardFileError, match=r"kv260: clock_mhz of hw edge: 200 MHz .*187\.5 and 214\.286 MHz"
    ):
        write_project(load_board("kv260"), tmp_path, timeout_s=90, jobs=1)


def test_unknown_board() -> None:
    with pytest.raises(BoardFileError, match=r"unknown board 'zcu105'; known: .*zcu104"):
        load_board("zcu105")


def test_sources_are_those_of_the_simulation(project: Project) -> None:
    sources = {path.name: path for path in design_files(TOP, project.hw)}
    copied = {path.name: path for path in (project.folder / "ip" / "src").glob("*.sv")}
    assert copied.keys() == sources.keys()
    assert all(copied[name].read_bytes() == sources[name].read_bytes() for name in sources)


def test_the_clock_is_the_configuration_s(project: Project) -> None:
    text = (project.folder / "ip" / "src" / "peritus_ooc.xdc").read_text()
    period = re.search(r"create_clock -name aclk -period (\S+) \[get_ports aclk\]", text)
    assert period is not None
    assert float(period[1]) == pytest.approx(1000 / project.hw.clock_mhz, abs=1e-3)
    assert f"clock_mhz {{{project.hw.clock_mhz:g}}}" in (project.folder / "settings.tcl").read_text()


def test_the_wrapper_has_the_ports_that_are_used(project: Project) -> None:
    text = (project.folder / "ip" / "src" / f"{MODULE}.v").read_text()
    interfaces = set(re.findall(r"aximm:1\.0 (\w+) ", text))
    assert interfaces == {ip.REGISTERS, *(port.name for port in ip.memory_ports(project.hw))}


def test_the_wrapper_declares_what_the_ports_do(project: Project, repository: Path) -> None:
    """Or an interconnect would let fewer bursts through than the accelerator counts on."""
    text = (project.folder / "ip" / "src" / f"{MODULE}.v").read_text()
    ports = ip.memory_ports(project.hw)
    for unit, name, count in (
        ("reader", "NUM_READ_OUTSTANDING", len(ports)),
        ("writer", "NUM_WRITE_OUTSTANDING", sum(port.writes for port in ports)),
    ):
        source = (repository / "rtl" / "memory" / f"peritus_axi_{unit}.sv").read_text()
        bursts = re.search(r"MaxBursts = (\d+)", source)
        assert bursts is not None
        assert re.findall(rf"{name} (\d+)", text) == [bursts[1]] * count
    assert set(re.findall(r"MAX_BURST_LENGTH (\d+)", text)) == {str(BURST_BEATS)}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("module peritus_top", "module peritus", "no port list"),
        ("input  logic                     aclk,", "input wire aclk,", "'input wire aclk' is not"),
        ("[11:0]              s_axil_awaddr", "[$clog2(N):0] s_axil_awaddr", "clog2"),
        ("[ADDR_W-1:0]        m00_axi_awaddr", "[WIDTH-1:0] m00_axi_awaddr", "WIDTH, not a constant"),
    ],
)
def test_ports_that_are_not_understood(
    repository: Path, tmp_path: Path, old: str, new: str, message: str
) -> None:
    text = (repository / "rtl" / "peritus_top.sv").read_text()
    assert old in text
    source = tmp_path / "peritus_top.sv"
    source.write_text(text.replace(old, new))
    with pytest.raises(ProjectError, match=re.escape(message)):
        top_ports(source, load_config("nano"))


def test_a_parameter_that_is_not_there(repository: Path) -> None:
    with pytest.raises(ProjectError, match="no 'parameter int unsigned Depth"):
        parameter_default(repository / "rtl" / "memory" / "peritus_axi_reader.sv", "Depth")


def test_tcl_values_are_quoted() -> None:
    assert tcl_array("a", {"x": "two words", "y": ["$a", ["[b]", 1]], "z": 3}) == (
        "array set a {\n  x {two words}\n  y {\n    {$a}\n    {{[b]} {1}}\n  }\n  z {3}\n}\n"
    )
    with pytest.raises(ProjectError, match="braces"):
        tcl_array("a", {"x": "}"})


def test_writing_again_keeps_what_vivado_made(tmp_path: Path) -> None:
    board = load_board("kv260")
    project = write_project(board, tmp_path, timeout_s=90, jobs=1)
    project.bitstream.parent.mkdir()
    project.bitstream.write_text("hours of work")
    (tmp_path / "ip" / "src" / "stale.sv").write_text("")
    write_project(board, tmp_path, timeout_s=90, jobs=1)
    assert project.bitstream.read_text() == "hours of work"
    assert not (tmp_path / "ip" / "src" / "stale.sv").exists()
    assert "timeout_minutes {2}" in (tmp_path / "settings.tcl").read_text()


def test_every_field_belongs_to_one_register() -> None:
    fields = [field for found in register_fields().values() for field in found.values()]
    assert sorted(map(id, fields)) == sorted(id(f) for f in vars(registers).values() if isinstance(f, Field))
    assert set(register_fields()[registers.Offset.CONTROL]) == {"SOFT_RESET", "LOAD_PROGRAM"}
