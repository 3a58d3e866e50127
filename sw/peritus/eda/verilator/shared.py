# SPDX-License-Identifier: Apache-2.0
"""What all designs built with the same options share: Verilator's run-time objects and its headers."""

import hashlib
import re
import shlex
import shutil
from dataclasses import dataclass
from pathlib import Path

from peritus.eda.verilator.install import toolchain_identity

COMPILATION = re.compile(r"\s-c\b.*?-o\s+(\S+)|\s-c\s+(\S+)\.cpp$|\s(\S+\.gch)$")
_DESIGN = "Vtop__ALL"
_RUNTIME_OBJECT = re.compile(r"^verilated\w*\.o$")


def runtime_objects(plan: list[str]) -> dict[str, str]:
    """Verilator's own run-time objects in make's plan: object name -> hash of its compilation.

    They do not depend on the design, so all designs built with the same options share them.
    """
    keys: dict[str, str] = {}
    for line in plan:
        match = COMPILATION.search(line.rstrip())
        if match and match[1] and _RUNTIME_OBJECT.match(match[1]):
            keys[match[1]] = (
                hashlib.sha256(f"{toolchain_identity()}\n{line}".encode()).hexdigest()[:32] + ".o"
            )
    return keys


@dataclass(frozen=True)
class Precompilation:
    """Verilator's headers, precompiled: most of a small design's compilation is reading them."""

    key: str
    text: str
    command: list[str]


def precompilation(plan: list[str]) -> Precompilation | None:
    """What to precompile for a design that is one compilation; None for one that Verilator split.

    Verilator precompiles headers of each split design by itself, and a compilation takes only one.
    """
    line = next((line for line in plan if line.rstrip().endswith(f"-c -o {_DESIGN}.o {_DESIGN}.cpp")), None)
    if line is None:
        return None
    flags = shlex.split(line)[:-4]
    vpi = '#include "verilated_vpi.h"\n' if any("verilated_vpi.o" in line for line in plan) else ""
    text = f'#include "verilated.h"\n{vpi}'
    key = hashlib.sha256(f"{toolchain_identity()}\n{flags}\n{text}".encode()).hexdigest()[:32]
    return Precompilation(key, text, [*flags, "-x", "c++-header", "-o", "headers.h.gch", "headers.h"])


def publish(file: Path, target: Path) -> None:
    """Copy `file` to `target`, which others see complete or not at all."""
    if not target.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = target.with_suffix(f".{file.parent.parent.name}")
        shutil.copy(file, draft)
        draft.replace(target)
