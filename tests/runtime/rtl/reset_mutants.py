# SPDX-License-Identifier: Apache-2.0
"""Every register of the accelerator once without its reset: which power-up patterns show it?

    python -m tests.runtime.rtl.reset_mutants [--patterns random:1,random:2,ones] [--only sequencer]

All mutants are in one simulator (a minute to build), which takes the number of the one that it is from an
environment variable. Each is powered up with one pattern after the other until registers after the reset,
results of frames, their cycles or an error show it.
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
from peritus.resources import resource
from peritus.runtime.device import Result
from peritus.runtime.driver.platform import Limit
from peritus.runtime.iss.device import IssDevice
from peritus.runtime.rtl.device import RtlDevice
from peritus.runtime.rtl.power_up import PowerUp
from tests.common.serial_board import NANO, SMALL
from tests.runtime.rtl.power_up import INTERRUPTED, interrupt, registers_after_reset

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
    """What shows of it: registers after the reset, a frame, and one after each soft reset in its midst."""
    os.environ[VARIABLE] = str(number)
    yield registers_after_reset(library, PowerUp.of(pattern))
    try:
        with MutantDevice(library, pattern) as device:
            device.load(bundle)
            for cycles in (None, *INTERRUPTED):
                if cycles is not None:
                    interrupt(device, image, cycles)
                result = device.run(image, task="task0", features=True)
                yield outcome(result), result.perf.cycles
    except PeritusError as error:
        yield type(error).__name__


def outcome(result: Result) -> bytes:
    """All integers of a result."""
    features = b"" if result.raw_features is None else result.raw_features.tobytes()
    return b"".join(result.outputs[name].tobytes() for name in sorted(result.outputs)) + features


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
    good = list(behaviour(library, NONE, patterns[0], bundle, image))
    assert good[1][0] == outcome(expected), "without a mutant"  # type: ignore[index]

    def as_it_should_be(number: int, pattern: str) -> bool:
        return list(behaviour(library, number, pattern, bundle, image)) == good

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
