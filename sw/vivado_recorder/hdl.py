# SPDX-License-Identifier: Apache-2.0
"""The HDL of a packaged IP, elaborated by Verilator: syntax, missing modules, ports of its Verilog top."""

from __future__ import annotations

import functools
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from vivado_recorder.errors import ScriptError

TIMEOUT_S = 300


@dataclass(frozen=True)
class Verilator:
    """How to run Verilator.

    command: the program. environment: name, value, all of it; two that differ in nothing else are equal.
    models: sources of the cells of the device.
    """

    command: tuple[str, ...]
    environment: tuple[tuple[str, str], ...] = field(compare=False)
    models: tuple[Path, ...] = ()


def elaborate(top: str, sources: Sequence[Path], verilator: Verilator) -> None:
    """Elaborate the sources.

    Raises:
        ScriptError: the sources do not elaborate, or Verilator warns of the file of `top`: its ports do not
            fit what is below. Warnings of other files are a linter's business.
    """
    texts = tuple((path.name, path.read_text()) for path in [*verilator.models, *sources])
    if message := _messages(top, texts, verilator):
        raise ScriptError(f"Verilator does not elaborate {top}:\n{message}")


@functools.lru_cache(maxsize=8)
def _messages(top: str, texts: tuple[tuple[str, str], ...], verilator: Verilator) -> str:
    command = [*verilator.command, "--lint-only", "-Wall", "--no-timing", "--quiet", "-Wno-fatal"]
    # An empty pin is what an unused output is meant to have.
    command += ["-Wno-PINCONNECTEMPTY", "--top-module", top, *(name for name, _ in texts)]
    with tempfile.TemporaryDirectory() as folder:
        for name, text in texts:
            (Path(folder) / name).write_text(text)
        try:
            run = subprocess.run(
                command,
                cwd=folder,
                env=dict(verilator.environment),
                capture_output=True,
                text=True,
                timeout=TIMEOUT_S,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise ScriptError(f"Verilator is not done with {top} after {TIMEOUT_S} s") from error
    lines = [line for line in run.stderr.splitlines() if line.startswith("%Error") or f"{top}.v:" in line]
    if run.returncode and not lines:
        lines = run.stderr.splitlines()[:1] or [f"it ended with status {run.returncode}"]
    return "\n".join(lines)
