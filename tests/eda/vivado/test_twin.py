# SPDX-License-Identifier: Apache-2.0
"""The HLS twin beside the accelerator: both scripts pass the recorder, every mutation fails."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from peritus.arch import hls_ip, ip
from peritus.arch.config import load_config
from peritus.arch.ps_ports import PS_PORTS
from peritus.boards.twin import twin_for
from peritus.cli import app
from peritus.eda.board import load_board
from peritus.eda.errors import ProjectError
from peritus.eda.vivado.project import Project, write_project
from peritus.eda.vivado.run import check_project
from peritus.eda.vivado.twin import Twin

BOARD = load_board("zcu104")
EDGE = load_config("edge")
VITIS, TOP = "vitis/build.tcl", "vitis/source/peritus_top.cpp"
SETTINGS, DESIGN = "vivado/settings.tcl", "vivado/block_design.tcl"


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Not to be changed."""
    folder = tmp_path_factory.mktemp("twin")
    write(folder)
    return folder


def write(folder: Path) -> Project:
    twin = twin_for(BOARD, EDGE, folder / "vitis")
    return write_project(BOARD, folder / "vivado", timeout_s=3600, jobs=2, twin=twin)


def test_both_stand_in_one_design(written: Path) -> None:
    design = check_project(write(written)).design
    assert design is not None and design.validated and design.generated
    ends = {
        master: design.links[f"bd_intf_pin:{hls_ip.INSTANCE}/{master}"].rpartition("/")[2]
        for master in hls_ip.MASTERS
    }
    assert ends == {"m_axi_control": "S_AXI_HPC1_FPD", "m_axi_weights": "S_AXI_HP2_FPD"}
    places = {segment: at for (space, segment), at in design.assigned.items() if space.endswith("zynq/Data")}
    assert places[f"bd_addr_seg:{hls_ip.INSTANCE}/{hls_ip.REGISTERS}/Reg"] == (
        hls_ip.REGISTER_BASE,
        hls_ip.REGISTER_BYTES,
    )
    assert f"bd_addr_seg:{ip.INSTANCE}/{ip.REGISTERS}/reg0" in places
    seen = {segment for space, segment in design.assigned if f":{hls_ip.INSTANCE}/" in space}
    assert len(seen) == 2 and all(segment.endswith("DDR_LOW") for segment in seen)


def test_what_vitis_made_stays(written: Path, tmp_path: Path) -> None:
    shutil.copytree(written, tmp_path / "copy")
    kept = tmp_path / "copy" / "vitis" / "made by vitis"
    kept.write_text("")
    write(tmp_path / "copy")
    assert kept.is_file()


MUTATIONS = {
    "another name": (VITIS, "-ipname $settings(name)", "-ipname twin", "not in the IP catalog"),
    "no IP": (VITIS, "export_design ", "list ", "is not a folder"),
    "no top": (VITIS, "set_top $settings(top)\n", "", "no top"),
    "another top": (
        TOP,
        "void peritus_top(const",
        "void peritus(const",
        "no source defines void peritus_top",
    ),
    "address without a register": (
        *(TOP, "port=image bundle=control offset=slave", "port=image bundle=control"),
        "image has no offset=slave",
    ),
    "no control": (TOP, "#pragma HLS INTERFACE mode=s_axilite port=return\n", "", "return: not both"),
    "argument misspelt": (TOP, "port=result bundle", "port=results bundle", "result, results: not both"),
    "another kind of port": (TOP, "mode=s_axilite port=job", "mode=ap_none port=job", "mode=ap_none of job"),
    "a master more": (
        *(TOP, "port=image bundle=control", "port=image bundle=image"),
        "peritus_hls_0/m_axi_image is not connected",
    ),
    "repository elsewhere": (SETTINGS, "solution/impl/ip}", "solution/impl}", "not in the IP catalog"),
    "registers over the accelerator's": (SETTINGS, "{0xa0020000}", "{0xa0000000}", "overlaps"),
    "no clock": (
        DESIGN,
        "  lappend clocked $cell/$core_clock\n",
        "",
        "peritus_hls_0/ap_clk is not connected",
    ),
    "no reset": (
        DESIGN,
        "  lappend resets $cell/$core_reset\n",
        "",
        "peritus_hls_0/ap_rst_n is not connected",
    ),
    "no address": (
        *(DESIGN, "assign_bd_address -offset $base -range $bytes", "list -offset $base -range $bytes"),
        "Reg has no address in zynq/Data",
    ),
}


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_mutation_fails(written: Path, tmp_path: Path, name: str) -> None:
    file, old, new, message = MUTATIONS[name]
    shutil.copytree(written, tmp_path / "copy")
    project = write(tmp_path / "copy")
    path = tmp_path / "copy" / file
    assert old in path.read_text(), f"{file} has no {old!r}"
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(ProjectError) as error:
        check_project(project)
    assert message in str(error.value)


def test_a_board_without_ports_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left = {name: PS_PORTS[name] for name in ("HP0", "HP1", "HP2")}
    monkeypatch.setattr("peritus.eda.vivado.twin.PS_PORTS", left)
    with pytest.raises(ProjectError, match="leaves 1 memory ports of the processor, the HLS twin needs 2"):
        write_project(BOARD, tmp_path, timeout_s=90, jobs=1, twin=Twin(EDGE, tmp_path))


def test_the_command(tmp_path: Path) -> None:
    """Both projects, checked; without Vivado it says what runs first; other boards are refused."""
    command = ["build", "zcu104", "--twin", "edge", "-o", str(tmp_path / "out")]
    checked = CliRunner().invoke(app, [*command, "--check"])
    assert checked.exit_code == 0, checked.output
    written = CliRunner().invoke(app, [*command, "--vivado", str(tmp_path / "none")])
    assert written.exit_code == 3 and "vitis_hls -f build.tcl && cd" in written.output.replace("\n", " ")
    refused = CliRunner().invoke(app, ["build", "ulx3s", "--twin", "nano", "-o", str(tmp_path / "ulx3s")])
    assert refused.exit_code == 1 and "needs a board that Vivado builds" in refused.output.replace("\n", " ")
