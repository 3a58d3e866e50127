# SPDX-License-Identifier: Apache-2.0
"""The SystemVerilog files that a top module needs, for one hardware configuration, in compilation order.

    design_files("peritus_gelu", hw)                                a block and all below it
    design_files("peritus_core", hw, [resource("sim/models")])      also looking there, here for vendor cells

No list is kept by hand: a file needs the files that define the modules and packages it names. Two conventions
make that exact: every name of ours begins with `peritus_`, and so does its file. peritus_pkg, which depends
on the configuration, is written for it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from peritus.arch.config import HwConfig
from peritus.codegen.configured import configured
from peritus.eda.errors import SourceError
from peritus.resources import resource

TOP = "peritus_top"  # the accelerator, with AXI ports
LINK_TOP = "peritus_link_system"  # the accelerator on a board without a processor: serial link, memory
_DEFINITION = re.compile(r"^\s*(?:module|package)\s+(\w+)", re.MULTILINE)
_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
_UNSAFE = re.compile(r"[^A-Za-z0-9_./+-]")
_WORD = re.compile(r"\b[A-Za-z]\w*\b")


def design_files(top: str, hw: HwConfig | None = None, folders: Sequence[Path] = ()) -> list[Path]:
    """`top` and everything that it needs: each file after the ones that it needs itself.

    Args:
        top: name of a module in rtl/ or `folders`.
        hw: the configuration; None for blocks that know none (an error if one does).
        folders: looked into as well, and first: vendor cells, a board's own modules, stand-ins.

    Raises:
        SourceError: there is no such module; a module is defined twice; files need each other in a circle; a
        block needs a configuration and has none.
    """
    texts: dict[Path, str] = {}
    home: dict[str, Path] = {}
    for folder in (*folders, resource("rtl"), *([configured(hw)] if hw is not None else [])):
        here: dict[str, Path] = {}
        for path in sorted(folder.rglob("*.sv")):
            texts[path] = _COMMENT.sub(" ", path.read_text())
            for name in _DEFINITION.findall(texts[path]):
                if name in here:
                    raise SourceError(f"{name} is defined twice: {here[name]}, {path}")
                here[name] = path
        home = {**here, **home}
    if top not in home:
        raise SourceError(f"no module {top!r} in {', '.join(map(str, (resource('rtl'), *folders)))}")
    return list(_ordered(home[top], texts, home))


def _ordered(first: Path, texts: Mapping[Path, str], home: Mapping[str, Path]) -> Iterator[Path]:
    """Depth first: files come after what they name."""
    done: set[Path] = set()
    open_: list[Path] = []

    def visit(path: Path) -> Iterator[Path]:
        if path in open_:
            raise SourceError(f"files need each other: {' -> '.join(p.name for p in [*open_, path])}")
        if path in done:
            return
        open_.append(path)
        words = set(_WORD.findall(texts[path]))
        if "peritus_pkg" in words and "peritus_pkg" not in home:
            raise SourceError(f"{path.name} needs a hardware configuration, and none was given")
        for name in sorted(words & home.keys()):
            if home[name] != path:
                yield from visit(home[name])
        open_.pop()
        done.add(path)
        yield path

    return visit(first)


def tool_names(files: Sequence[Path]) -> list[Path]:
    """Names that every tool takes, for files wherever they are: relative, without spaces, quotes or the like.

    make and Yosys's scripts have no way to write a space. A tool is given the files under these names, in the
    folder that it works in.
    """
    resolved = [path.resolve() for path in files]
    base = Path(os.path.commonpath([path.parent for path in resolved])) if resolved else Path()
    names: list[Path] = []
    for path in resolved:
        name = Path(_UNSAFE.sub("_", str(path.relative_to(base))))
        taken = {other for other, of in zip(names, resolved, strict=False) if of != path}
        while name in taken:  # two names that differ in what is unsafe only
            name = name.with_name(f"_{name.name}")
        names.append(name)
    return names


def waivers() -> Path:
    """The lint control file that goes with the RTL into Verilator."""
    return resource("rtl/lint.vlt")
