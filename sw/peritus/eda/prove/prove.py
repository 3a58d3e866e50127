# SPDX-License-Identifier: Apache-2.0
"""One proof: the twin's C++ and the RTL block in one circuit, and no input for which they differ."""

from __future__ import annotations

import json
import re
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from peritus.arch.config import HwConfig
from peritus.eda.csim import include_folders
from peritus.eda.errors import ToolchainError
from peritus.eda.packages import package_version
from peritus.eda.process import run_step
from peritus.eda.prove.balance import depth
from peritus.eda.prove.cxx import llvm_ir
from peritus.eda.prove.exhaust import differs
from peritus.eda.prove.model import modules
from peritus.eda.prove.units import Unit
from peritus.eda.sources import design_files
from peritus.eda.yosys.synth import YOSYS
from peritus.resources import resource

SAT_S = 60  # for the solver
TIMEOUT_S = 240.0  # for Yosys as a whole
_TRANSPARENT = """(* techmap_celltype = "$dff" *)
module transparent (CLK, D, Q);
  parameter WIDTH = 1;
  parameter CLK_POLARITY = 1;
  input CLK;
  input [WIDTH-1:0] D;
  output [WIDTH-1:0] Q;
  assign Q = D;
endmodule
"""


class Answer(Enum):
    """What the solver says; the value is its word."""

    EQUAL = "SUCCESS!"  # for all inputs
    DIFFERENT = "FAIL!"  # it has found one
    UNDECIDED = "TIMEOUT!"


class BugError(ToolchainError):
    """A bug cannot be seeded: the block no longer has the text; names it."""


@dataclass(frozen=True)
class Verdict:
    """depth: registers of the block, None where some inputs are held. seconds: wall clock."""

    answer: Answer
    depth: int | None
    seconds: float


def prove(unit: Unit, hw: HwConfig, bug: tuple[str, str] | None = None) -> Verdict:
    """Prove a unit, or look for a bug seeded in its block.

    Raises:
        BuildError, ToolNotFound: a tool failed or is missing. NotStraight: the C++ is no combinational logic.
        NotBalanced: the block is no pipeline. BugError: see there.
    """
    package_version(YOSYS, "synth")
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="prove-") as name:
        folder = Path(name)
        files, models = _files(unit, hw, folder, bug)
        log = folder / "yosys.log"
        (folder / "transparent.v").write_text(_TRANSPARENT)
        (folder / "script.ys").write_text(_script(unit, files, models))
        yosys = Path(sys.prefix) / "bin" / YOSYS
        command = [str(yosys), "-q", "-l", "proof.log", "script.ys"]
        run_step(f"proof of {unit.name}", command, cwd=folder, log=log, timeout_s=TIMEOUT_S)
        answer = _answer(unit, folder)
        registers = None
        if unit.balanced:
            registers = depth(json.loads((folder / "pipeline.json").read_text()), f"proof_{unit.name}")
    return Verdict(answer, registers, time.monotonic() - start)


def _answer(unit: Unit, folder: Path) -> Answer:
    if unit.exhaustive:
        found = differs((folder / "proof.aag").read_text())
        return Answer.DIFFERENT if found else Answer.EQUAL
    text = (folder / "proof.log").read_text()
    answer = next((answer for answer in Answer if answer.value in text), None)
    if answer is None:
        raise ToolchainError(f"proof of {unit.name}: Yosys gave no answer: {text[-500:]}")
    return answer


def _files(
    unit: Unit, hw: HwConfig, folder: Path, bug: tuple[str, str] | None
) -> tuple[list[str], list[str]]:
    """The sources under plain names in `folder`, the block with its bug; and the models' names."""
    own = folder / "own"
    own.mkdir()
    source = resource("hls/proof")
    models = modules(llvm_ir(source / f"{unit.file}.cpp", include_folders(hw), folder))
    (own / "model.sv").write_text(models)
    for path in (source / f"{unit.file}.sv", *(source / "stand_ins" / f"{n}.sv" for n in unit.replaced)):
        shutil.copy(path, own / path.name)
    names = []
    for path in design_files(f"proof_{unit.name}", hw, [own]):
        text = path.read_text()
        if bug is not None and path.stem == unit.block:
            if bug[0] not in text:
                raise BugError(f"{path.name} has no text {bug[0]!r} to put a bug into")
            text = text.replace(*bug)
        (folder / path.name).write_text(text)
        names.append(path.name)
    return names, re.findall(r"^module (\w+)", models, re.MULTILINE)


def _script(unit: Unit, files: list[str], models: list[str]) -> str:
    """Twice the same design: with the models as black boxes for its depth, then all of it for the solver."""
    top = f"proof_{unit.name}"
    read = f"read_slang --threads 1 -D SYNTHESIS --top {top} {' '.join(files)}"
    black = " ".join(f"--blackboxed-module {model}" for model in models)
    plain = ["proc", "flatten", "memory -nomap", "memory_map", "dffunmap", "opt -nodffe -nosdff"]
    return "\n".join(
        [
            f"{read} {black}",
            *plain,
            "simplemap",
            "write_json pipeline.json",
            "design -reset",
            read,
            "check -assert",
            *plain,
            "techmap -map transparent.v",
            "opt",
            "wreduce",
            "opt -full",
            "check -assert",  # no register was more than a stage of a pipeline
            *(
                [
                    "delete -input w:clk_i",
                    "techmap",
                    "opt",
                    "aigmap",
                    "clean",
                    "write_aiger -ascii -symbols proof.aag",
                ]
                if unit.exhaustive
                else [f"sat -prove differ 0 -set assumed 1 -timeout {SAT_S} {top}"]
            ),
        ]
    )
