# SPDX-License-Identifier: Apache-2.0
"""The Vitis HLS project: its script passes the strict recorder, its C simulation runs. (Vitis does not.)"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from peritus.arch.config import load_config
from peritus.bundle import Bundle, BundleConfigError
from peritus.compiler import compile_model
from peritus.eda.board import load_board, vivado_settings
from peritus.eda.csim import WAIVERS, ap_types
from peritus.eda.errors import ProjectError
from peritus.eda.vitis import JOB, SETTINGS, SOURCES, SampleJob, check_project, write_job, write_project
from peritus.ir.random_model import random_image, random_model
from peritus.runtime.iss.machine import Machine
from tests.common import copy_program as copy
from tests.common.bad_counts import bad_counts
from tests.hls.programs import MICRO
from tests.hls.test_faults import BAD

pytestmark = pytest.mark.hls
NANO = load_config("nano")
RESIDENT = replace(NANO, name="resident", resident_words=1024)  # its programs have a KEEP
PART = vivado_settings(load_board("zcu104")).part
COMPILE_S, RUN_S = 300, 60
COVERED = 0.95  # of the lines of hls/src and hls/include


def job_of(bundle: Bundle, image: np.ndarray, task: int, *, features: bool) -> SampleJob:  # type: ignore[type-arg]
    """With what the simulator says that it must give."""
    memory = np.zeros(bundle.frame.bytes, np.uint8)
    bundle.frame.store(image, memory)
    found = Machine(bundle, bundle.hw).run(memory, task, features)
    wanted = found.features if found.features is not None else np.zeros(0, np.uint8)
    return SampleJob(bundle, memory, task, found.output, wanted)


@pytest.fixture(scope="module")
def job() -> SampleJob:
    return job_of(compile_model(random_model(MICRO), NANO), random_image(MICRO), 0, features=True)


@pytest.fixture
def project(tmp_path: Path, job: SampleJob) -> Path:
    return write_project(NANO, PART, job, tmp_path / "project")


def test_the_script_is_well_formed(project: Path) -> None:
    calls = [call.command for call in check_project(project).calls]
    assert calls[0] == "open_project" and calls[-3:] == ["csim_design", "csynth_design", "export_design"]


MUTATIONS = {
    "unknown command": ("build.tcl", "csynth_design", "csyn_design", "invalid command name"),
    "unknown option": ("build.tcl", "-flow_target", "-target", "unknown option -target"),
    "value not allowed": ("build.tcl", "ip_catalog", "catalog", "must be one of"),
    "required option": (
        "build.tcl",
        "create_clock -period $settings(period)",
        "create_clock",
        "-period is required",
    ),
    "unknown part": (SETTINGS, "xczu7ev", "xczu9ev", "part = "),
    "other top": (SETTINGS, "top {peritus_top}", "top {peritus}", "top = "),
    "missing file": (SETTINGS, "source/gemm.cpp", "source/gem.cpp", "no file source/gem.cpp"),
    "missing setting": (SETTINGS, "  part ", "  parts ", "no such element"),
}


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_mutation_fails(project: Path, name: str) -> None:
    file, old, new, message = MUTATIONS[name]
    path = project.parent / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(ProjectError, match=message):
        check_project(project)


def test_a_project_overwrites_nothing(project: Path, job: SampleJob) -> None:
    with pytest.raises(ProjectError, match="is not empty"):
        write_project(NANO, PART, job, project.parent)


def test_a_job_of_another_configuration_is_refused(tmp_path: Path, job: SampleJob) -> None:
    with pytest.raises(BundleConfigError):
        write_project(load_config("edge"), PART, job, tmp_path / "project")


def compiled(folder: Path, flags: Sequence[str]) -> Path:
    """The testbench of a project, by g++."""
    files = sorted(path.name for path in (folder / SOURCES).glob("*.cpp"))
    command = ["g++", "-std=c++17", "-Wall", *WAIVERS, *flags, "-I.", *files, "-o", "testbench"]
    subprocess.run(command, cwd=folder / SOURCES, check=True, timeout=COMPILE_S)
    return folder / SOURCES / "testbench"


def run(testbench: Path, job: Path) -> int:
    return subprocess.run([testbench, job], timeout=RUN_S, check=False, capture_output=True).returncode


def test_c_simulation_without_vitis(project: Path) -> None:
    """With AMD's own ap_int and hls::stream headers, as csim_design compiles it."""
    folder = project.parent
    testbench = compiled(folder, ["-O1", "-DPERITUS_VITIS", "-isystem", str(ap_types())])
    assert run(testbench, folder / JOB) == 0
    wrong = folder / JOB / "result.bin"
    wrong.write_bytes(bytes([wrong.read_bytes()[0] ^ 1]) + wrong.read_bytes()[1:])
    assert run(testbench, folder / JOB) == 1
    shutil.rmtree(folder / JOB)
    assert run(testbench, folder / JOB) == 1


def jobs() -> Iterator[SampleJob]:
    """All units and modes, and all faults."""
    for changes in (
        {},
        {"routing": "idle"},
        {"top_k": 1},
        {"expert_bits": 4},
        {"d": 72, "heads": 3, "hidden": 88},
    ):
        dims = replace(MICRO, **changes)  # type: ignore[arg-type]
        yield job_of(compile_model(random_model(dims), RESIDENT), random_image(dims), 0, features=True)
    nothing = np.zeros(copy.HEIGHT * copy.WIDTH * 3, np.uint8)
    output = np.zeros(copy.bundle().tasks[0].output_bytes, np.uint8)
    programs = [(program, fetches) for _, _, program, fetches in BAD]
    programs += [((bad, *copy.PROGRAM), copy.FETCHES) for bad in bad_counts(NANO)]
    for program, fetches in programs:
        yield SampleJob(copy.bundle(program, fetches), nothing, 0, output, output)
    broken = copy.bundle()
    broken.__dict__["program"] = b"\xff" + broken.program[1:]
    yield SampleJob(broken, nothing, 0, output, output)


def test_line_coverage(tmp_path: Path) -> None:
    if shutil.which("gcov") is None:
        pytest.skip("not installed: gcov")
    folder = write_project(RESIDENT, PART, next(jobs()), tmp_path / "project").parent
    testbench = compiled(folder, ["-O0", "--coverage", "-DPERITUS_FAST"])
    for number, job in enumerate(jobs()):
        write_job(job, tmp_path / "jobs" / str(number))
        run(testbench, tmp_path / "jobs" / str(number))
    data = sorted(path.name for path in (folder / SOURCES).glob("*.gcda"))
    command = ["gcov", "--json-format", "--stdout", *data]
    text = subprocess.run(
        command, cwd=folder / SOURCES, check=True, timeout=RUN_S, capture_output=True, text=True
    )
    counts: dict[tuple[str, int], int] = {}
    for line in text.stdout.splitlines():
        for file in json.loads(line)["files"]:
            if "/" not in file["file"].removeprefix("./") and file["file"] != "testbench.cpp":
                for entry in file["lines"]:
                    key = file["file"], entry["line_number"]
                    counts[key] = max(counts.get(key, 0), entry["count"])
    covered = sum(count > 0 for count in counts.values())
    missed = sorted(key for key, count in counts.items() if not count)
    print(f"{covered} of {len(counts)} lines of hls/ executed, {covered / len(counts):.1%}; not: {missed}")
    assert len(counts) > 300 and covered >= COVERED * len(counts)
