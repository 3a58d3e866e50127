# SPDX-License-Identifier: Apache-2.0
"""slang with all its warnings: a second opinion on what Verilator accepts.

What is waived, and why, is in slang_waivers.toml. A waiver that nothing needs any more is reported as well,
after a whole run.
"""

import fnmatch
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from peritus.eda.errors import SourceError, ToolNotFound
from peritus.eda.process import run_lines
from peritus.resources import how_to_install
from peritus.toml import tomllib

WAIVERS = Path(__file__).with_name("slang_waivers.toml")
TIMEOUT_S = 600
_FINDING = re.compile(r"^(.+?):(\d+):\d+: (error|warning): (.*?)(?: \[-W([\w-]+)\])?$", re.MULTILINE)
# slang prints from C++: a process of its own, whose output is read.
_PROGRAM = """
import shlex, sys
from pyslang import driver
slang = driver.Driver()
slang.addStandardArgs()
ready = slang.parseCommandLine(shlex.join(sys.argv)) and slang.processOptions() and slang.parseAllSources()
sys.exit(0 if ready and slang.runFullCompilation(True) else 1)
"""


@dataclass(frozen=True)
class Waiver:
    """One table [[waiver]]: a warning of slang, without -W; files it is waived in (patterns); the reason."""

    rule: str
    files: tuple[str, ...]
    reason: str

    def covers(self, finding: "Finding") -> bool:
        return self.rule == finding.rule and any(
            fnmatch.fnmatch(finding.file.name, pattern) for pattern in self.files
        )


@dataclass(frozen=True)
class Finding:
    """One line of slang's report; rule is empty for an error."""

    file: Path
    line: int
    rule: str
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.text} [{self.rule or 'error'}]"


def read_waivers(path: Path = WAIVERS) -> list[Waiver]:
    """The waivers; SourceError for one without rule, files or reason."""
    waivers = []
    for table in tomllib.loads(path.read_text())["waiver"]:
        if set(table) != {"rule", "files", "reason"} or not all(table.values()):
            raise SourceError(f"{path}: a [[waiver]] has rule, files and reason, not {table}")
        waivers.append(Waiver(table["rule"], tuple(table["files"]), table["reason"]))
    return waivers


def findings(files: Sequence[Path], top: str) -> list[Finding]:
    """All that slang has to say of `top`.

    Raises:
        ToolNotFound: pyslang is not installed.
        SourceError: slang fails and does not say of which line.
    """
    command = [sys.executable, "-c", _PROGRAM, "-Weverything", "--top", top, *map(str, files)]
    lines: list[str] = []
    status = run_lines(command, cwd=Path.cwd(), timeout_s=TIMEOUT_S, on_line=lines.append)
    output = "".join(lines)
    if "No module named 'pyslang'" in output:
        raise ToolNotFound(f"pyslang is not installed: {how_to_install('dev')}")
    found = [
        Finding(Path(file), int(line), rule, text)
        for file, line, _, text, rule in dict.fromkeys(_FINDING.findall(output))
    ]
    if status != 0 and not found:
        raise SourceError(f"slang cannot read {top}:\n{output}")
    return found


def lint_slang(files: Sequence[Path], top: str, waivers: Sequence[Waiver], used: set[Waiver]) -> bool:
    """True if slang finds nothing in `top` that is not waived; else the findings are on stdout.

    used: waivers that were needed are added to it.
    """
    clean = True
    for finding in findings(files, top):
        covering = [waiver for waiver in waivers if waiver.covers(finding)]
        used.update(covering)
        if not covering:
            print(finding)
            clean = False
    return clean
