# SPDX-License-Identifier: Apache-2.0
"""Every register of the accelerator once without its reset: which power-up patterns show it?

    python -m tests.runtime.rtl.reset_mutants [--patterns random:1,random:2,ones] [--only sequencer]

All mutants are in one simulator (a minute to build), which takes the number of the one that it is from an
environment variable. Each runs two frames after every power-up pattern until a result, its cycles or an error
shows it.
"""

from __future__ import annotations

import argparse
import os
import re
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from peritus.bundle import Bundle
from peritus.compiler import compile_model
from peritus.eda.sources import TOP, design_files, waivers
from peritus.eda.verilator.build import FAST_FLAGS, verilate
from peritus.errors import PeritusError
from peritus.ir.random_model import random_image, random_model
from peritus.report import same_result
from peritus.resources import resource
from peritus.runtime.driver.platform import Limit
from peritus.runtime.iss.device import IssDevice
from peritus.runtime.rtl.device import RtlDevice
from tests.common.serial_board import NANO, SMALL

VARIABLE = "PERITUS_RESET_MUTANT"
NONE = -1
LIMIT = Limit(seconds=60, cycles=100_000)
PATTERNS = ("random:1", "random:2", "random:3", "random:5", "random:8", "ones", "zeros")
_RESET = re.compile(
    r"^( *)if \(!(?:rst_ni|aresetn|\w*rst_n\w*)\) (begin\n.*?^\1end|[^;]*;)", re.MULTILINE | re.DOTALL
)
_REGISTER = re.compile(r"(?<!; )(?<![\w.])((?:[\w.]|\[[^\]]*\])+)\s*<=\s*[^;]*;")
PACKAGE = """
package reset_mutant_pkg;
  import "DPI-C" function int reset_mutant();
  int number = reset_mutant();
endpackage
"""
NUMBER = f"""
#include <cstdlib>
extern "C" int reset_mutant() {{
  const char *text = std::getenv("{VARIABLE}");
  return text ? std::atoi(text) : {NONE};
}}
"""


@dataclass(frozen=True)
class Mutant:
    """One register without its reset."""

    number: int
    file: str
    register: str


def mutated(text: str, file: str, first: int) -> tuple[str, list[Mutant]]:
    """A source whose resets can be switched off one by one, from number `first` on."""
    mutants: list[Mutant] = []

    def register(match: re.Match[str]) -> str:
        mutants.append(Mutant(first + len(mutants), file, match[1]))
        return f"begin if (reset_mutant_pkg::number != {mutants[-1].number}) {match[0]} end"

    return _RESET.sub(lambda block: _REGISTER.sub(register, block[0]), text), mutants


def build(folder: Path) -> tuple[Path, list[Mutant]]:
    """The simulator of all mutants."""
    sources, mutants = [folder / "reset_mutant_pkg.sv"], []
    sources[0].write_text(PACKAGE)
    for path in design_files(TOP, NANO, [resource("sim/models")]):
        text, found = mutated(path.read_text(), path.stem.removeprefix("peritus_"), len(mutants))
        mutants += found
        sources.append(folder / path.name)
        sources[-1].write_text(text)
    (folder / "number.cpp").write_text(NUMBER)
    library = verilate(
        TOP,
        [
            *sources,
            *(resource(f"sim/{name}.sv") for name in ("trace_bind", "peritus_write_monitor")),
            waivers(),
        ],
        parameters={"Dsp48e2": 0},
        flags=(*FAST_FLAGS, "-Wno-fatal"),
        cpp_sources=[
            *(resource(f"sim/{name}.cpp") for name in ("harness", "simulation")),
            folder / "number.cpp",
        ],
        cpp_include_dirs=[resource("sim")],
        cpp_flags=["-DVL_USER_STOP", "-DVL_USER_FINISH", "-DVL_USER_FATAL"],
        optimization="-O1",
    )
    return library, mutants


class MutantDevice(RtlDevice):
    """A device whose simulator is given."""

    def __init__(self, library: Path, pattern: str) -> None:
        super().__init__(NANO, power_up=pattern, limit=LIMIT)
        self._library = library


def behaviour(
    library: Path, number: int, pattern: str, bundle: Bundle, image: NDArray[np.uint8]
) -> Iterator[object]:
    """What two frames and a soft reset between them show: results and cycles, or the kind of error."""
    os.environ[VARIABLE] = str(number)
    try:
        with MutantDevice(library, pattern) as device:
            device.load(bundle)
            for _ in range(2):
                result = device.run(image, task="task0", features=True)
                yield result, result.perf.cycles
                device.reset()
    except PeritusError as error:
        yield type(error).__name__


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--patterns", default=",".join(PATTERNS))
    parser.add_argument("--only", default="", help="files whose name has this")
    args = parser.parse_args()
    patterns = args.patterns.split(",")
    bundle, image = compile_model(random_model(SMALL), NANO), random_image(SMALL)
    with IssDevice(NANO) as reference:
        reference.load(bundle)
        expected = reference.run(image, task="task0", features=True)
    with tempfile.TemporaryDirectory() as folder:
        library, mutants = build(Path(folder))
    good = [cycles for _, cycles in behaviour(library, NONE, patterns[0], bundle, image)]  # type: ignore[misc]

    def as_it_should_be(number: int, pattern: str) -> bool:
        seen = list(behaviour(library, number, pattern, bundle, image))
        return len(seen) == len(good) and all(
            isinstance(item, tuple) and same_result(item[0], expected) and item[1] == cycles
            for item, cycles in zip(seen, good, strict=True)
        )

    assert all(as_it_should_be(NONE, pattern) for pattern in patterns), "without a mutant"
    chosen = [mutant for mutant in mutants if args.only in mutant.file]
    first = dict.fromkeys(patterns, 0)
    started, survivors = time.monotonic(), []
    for mutant in chosen:
        seen = next((p for p in patterns if not as_it_should_be(mutant.number, p)), None)
        if seen is None:
            survivors.append(mutant)
            print(f"survives: {mutant.file}.{mutant.register}", flush=True)
        else:
            first[seen] += 1
    print(f"{len(chosen)} registers without their reset, {len(chosen) - len(survivors)} shown")
    print("first shown by: " + ", ".join(f"{pattern} {count}" for pattern, count in first.items()))
    print(f"took {time.monotonic() - started:.0f} s")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
