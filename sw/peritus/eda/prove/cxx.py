# SPDX-License-Identifier: Apache-2.0
"""C++ to LLVM IR by the clang of the wheel ziglang: straight-line integer code of exact widths."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path

from peritus.eda.errors import ToolNotFound
from peritus.eda.process import run_step
from peritus.resources import how_to_install

TIMEOUT_S = 120.0
FLAGS = (
    *("-target", "x86_64-linux-musl", "-std=c++17", "-O2", "-g0", "-DPERITUS_PROOF"),
    "-fwrapv",  # a sum beyond its width wraps, as ap_int's does: nothing is undefined
    *("-fno-vectorize", "-fno-slp-vectorize", "-fno-sanitize=all", "-fno-discard-value-names"),
    *("-Wno-unknown-pragmas", "-S", "-emit-llvm"),
)


def llvm_ir(source: Path, includes: Sequence[Path], folder: Path) -> str:
    """The IR of a C++ file of hls/proof.

    folder: where it is compiled.

    Raises:
        ToolNotFound: ziglang is not installed. BuildError: the compiler failed; carries its log.
    """
    if importlib.util.find_spec("ziglang") is None:
        raise ToolNotFound(f"clang (the package ziglang) is not installed: {how_to_install('prove')}")
    target, log = folder / f"{source.stem}.ll", folder / f"{source.stem}.log"
    command = [sys.executable, "-m", "ziglang", "c++", *FLAGS, *(f"-I{path}" for path in includes)]
    run_step(
        f"clang of {source.name}",
        [*command, str(source), "-o", str(target)],
        cwd=folder,
        log=log,
        timeout_s=TIMEOUT_S,
    )
    return target.read_text()
