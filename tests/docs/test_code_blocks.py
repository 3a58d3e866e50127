# SPDX-License-Identifier: Apache-2.0
"""The blocks of the pages do what they show.

The ```python blocks of a page are one program. It runs in an empty folder; where a line `print(…)` ends in
a comment, that is what it prints. Markers follow from its text, or from ```python sim and ```python long.
A block ```python board needs hardware: it is compiled, and what it imports or calls of `peritus` exists. In
```sh every `peritus` command and option, and every target of make, is one that there is.
"""

import ast
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer

from peritus.cli import app
from tests.docs.test_paths import pages, resolves

ROOT = Path(__file__).resolve().parents[2]
FENCE = re.compile(r"^```(python|sh)([^\n]*)\n(.*?)^```", re.M | re.S)


def blocks(page: Path, language: str) -> list[tuple[str, str]]:
    """(info, text) of the fenced blocks of a page."""
    return [(info.strip(), text) for name, info, text in FENCE.findall(page.read_text()) if name == language]


def programs() -> list[Any]:
    """Pages with Python that runs, marked by what they need."""
    found = []
    for page in pages(ROOT):
        text = "\n".join(text for info, text in blocks(page, "python") if "board" not in info)
        marks = []
        kinds = " ".join(info for info, _ in blocks(page, "python"))
        if "sim" in kinds or 'open_device("rtl"' in text:
            marks.append(pytest.mark.sim)
        if "long" in kinds:
            marks.append(pytest.mark.long)
        if "quant_models" in text:
            marks.append(pytest.mark.models)
        if text:
            found.append(pytest.param(page, marks=marks, id=str(page.relative_to(ROOT))))
    return found


def expected_prints(source: str) -> list[str]:
    """The comment behind each print, in order; '' where there is none."""
    lines = [line for line in source.splitlines() if line.startswith("print(")]
    return [line.partition("  # ")[2] for line in lines]


@pytest.mark.parametrize("page", programs())
def test_python_blocks_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    printed: list[str] = []
    space: dict[str, Any] = {"__name__": "page"}
    space["print"] = lambda *values: printed.append(" ".join(map(str, values)))
    expected: list[str] = []
    for info, source in blocks(page, "python"):
        if "board" in info:
            continue
        exec(compile(source, f"{page.name}", "exec"), space)
        expected += expected_prints(source)
    if any(expected):
        assert len(printed) == len(expected), f"prints with comments stand alone, not in loops: {printed}"
        for found, wanted in zip(printed, expected, strict=True):
            assert wanted in ("", found)


def names_of_peritus(tree: ast.AST) -> set[str]:
    """`peritus.x.y` as written in a block, and what it imports."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Attribute):
            found.add(ast.unparse(node))
    return {name for name in found if re.fullmatch(r"peritus(\.\w+)+", name)}


@pytest.mark.parametrize("page", pages(ROOT), ids=lambda page: str(page.relative_to(ROOT)))
def test_board_blocks_compile(page: Path) -> None:
    for info, source in blocks(page, "python"):
        if "board" in info:
            wrong = sorted(name for name in names_of_peritus(ast.parse(source)) if not resolves(name))
            assert not wrong, f"{page.name}: {wrong}"


def command_line(command: list[str], root: Any) -> str:
    """What is wrong with the words behind `peritus`; '' if they parse as far as names go."""
    known = root
    for word in command:
        if hasattr(known, "commands"):  # still a group
            if word not in known.commands:
                return f"no command {word!r}"
            known = known.commands[word]
        elif word.startswith("-"):
            options = {option for parameter in known.params for option in parameter.opts}
            if word.partition("=")[0] not in options:
                return f"{known.name} has no option {word!r}"
    return ""


def commands(page: Path) -> list[list[str]]:
    """Commands in the sh blocks and in inline code, as words; lines joined, comments removed."""
    text = page.read_text()
    lines = [line for _, block in blocks(page, "sh") for line in block.replace("\\\n", " ").splitlines()]
    lines += re.findall(r"`((?:peritus|make) [^`\n]*)`", text)
    words = []
    for line in lines:
        for part in re.split(r"&&|;|\|", re.sub(r"\s#.*", "", line)):
            try:
                words.append(shlex.split(part))
            except ValueError:
                words.append(part.split())
    return [command for command in words if command]


@pytest.mark.parametrize("page", pages(ROOT), ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_exist(page: Path) -> None:
    root = typer.main.get_command(app)
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    wrong = []
    for command in commands(page):
        if command[0] == "peritus":
            if error := command_line([word for word in command[1:] if word not in {"…", "..."}], root):
                wrong.append(f"{' '.join(command)}: {error}")
        elif command[0] == "make":
            goals = [word for word in command[1:] if re.fullmatch(r"[a-z-]+", word) and word[0] != "-"]
            wrong += [f"make has no target {goal!r}" for goal in goals if goal not in targets]
    assert not wrong, "\n".join(wrong)


def test_wrong_commands_are_found() -> None:
    root = typer.main.get_command(app)
    assert command_line(["compile", "m3vit_tiny", "--hw", "nano"], root) == ""
    assert "no option" in command_line(["compile", "m3vit_tiny", "--hardware", "nano"], root)
    assert "no command" in command_line(["assemble"], root)
