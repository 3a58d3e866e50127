# SPDX-License-Identifier: Apache-2.0
"""What all designs built with the same options share: Verilator's run-time objects and its headers."""

import re
import shlex
from dataclasses import dataclass

from peritus.cache import digest
from peritus.eda.verilator.install import toolchain_identity

COMPILATION = re.compile(r"\s-c\b.*?-o\s+(\S+)|\s-c\s+(\S+)\.cpp$|\s(\S+\.gch)$")
HEADER = "headers.h"
_DESIGN = "Vtop__ALL"
_RUNTIME_OBJECT = re.compile(r"^verilated\w*\.o$")


def runtime_objects(plan: list[str]) -> dict[str, str]:
    """Verilator's own run-time objects in make's plan: object name -> name of its content in the cache.

    They do not depend on the design, so all designs built with the same options share them.
    """
    keys: dict[str, str] = {}
    for line in plan:
        match = COMPILATION.search(line.rstrip())
        if match and match[1] and _RUNTIME_OBJECT.match(match[1]):
            keys[match[1]] = digest([toolchain_identity(), line])
    return keys


@dataclass(frozen=True)
class Precompilation:
    """Verilator's headers, precompiled: most of a small design's compilation is reading them."""

    key: str
    text: str
    command: list[str]


def precompilation(plan: list[str]) -> Precompilation:
    """What to precompile for a design, which is one compilation."""
    line = next(line for line in plan if line.rstrip().endswith(f"-c -o {_DESIGN}.o {_DESIGN}.cpp"))
    flags = shlex.split(line)[:-4]
    vpi = '#include "verilated_vpi.h"\n' if any("verilated_vpi.o" in line for line in plan) else ""
    text = f'#include "verilated.h"\n{vpi}'
    key = digest([toolchain_identity(), flags, text])
    return Precompilation(key, text, [*flags, "-x", "c++-header", "-o", f"{HEADER}.gch", HEADER])
