# SPDX-License-Identifier: Apache-2.0
"""What runs on a board runs on Python 3.10, which PYNQ 3 images have: nothing newer is used.

Statically: the grammar of 3.10, and no name of the standard library that came with 3.11.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

VERSION = (3, 10)
# New in 3.11, as far as anybody would use it; "*": the module itself.
NEWER = {
    "asyncio": {"Runner", "TaskGroup", "timeout", "timeout_at", "Barrier"},
    "contextlib": {"chdir"},
    "datetime": {"UTC"},
    "enum": {"StrEnum", "ReprEnum", "EnumCheck", "FlagBoundary", "verify", "member", "nonmember"},
    "hashlib": {"file_digest"},
    "typing": {
        "Self", "Never", "LiteralString", "Required", "NotRequired", "TypeVarTuple", "Unpack", "assert_never",
        "assert_type", "reveal_type", "dataclass_transform", "override",
    },
    "tomllib": {"*"},
    "wsgiref.types": {"*"},
}  # fmt: skip
HOME = "sw/peritus/toml.py"  # asks for the version
POSSESSIVE = re.compile(r"(?:[\])\w.][*+?]|\})\+(?!\+)")  # (?>...) and a*+ came with 3.11


def newer_names(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and name, outside `if TYPE_CHECKING:`."""
    skipped = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        for statement in node.body
        for inner in ast.walk(statement)
    }
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.ImportFrom):
            names = NEWER.get(node.module or "", set())
            yield from (
                (node.lineno, f"{node.module}.{alias.name}")
                for alias in node.names
                if names & {"*", alias.name}
            )
        elif isinstance(node, ast.Import):
            yield from ((node.lineno, a.name) for a in node.names if "*" in NEWER.get(a.name, set()))
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if node.attr in NEWER.get(node.value.id, set()):
                yield node.lineno, f"{node.value.id}.{node.attr}"
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("re.compile", "re.match", "re.search"):
            texts = [text.value for text in ast.walk(node) if isinstance(text, ast.Constant)]
            for text in (text for text in texts if isinstance(text, str)):
                if POSSESSIVE.search(text.replace("\\+", "")) or "(?>" in text:
                    yield node.lineno, f"possessive {text!r}"


def faults(path: Path) -> list[str]:
    try:
        tree = ast.parse(path.read_text(), str(path), feature_version=VERSION)
    except SyntaxError as error:
        return [f"{path}:{error.lineno}: {error.msg}"]
    return [f"{path}:{line}: {name}" for line, name in newer_names(tree)]


def test_nothing_is_newer_than_the_boards_python(repository: Path) -> None:
    files = sorted((repository / "sw" / "peritus").rglob("*.py"))
    assert len(files) > 100
    found = [fault for path in files if path != repository / HOME for fault in faults(path)]
    assert found == []
    assert f">={VERSION[0]}.{VERSION[1]}," in (repository / "pyproject.toml").read_text()


@pytest.mark.parametrize(
    "text",
    [
        "from typing import Self",
        "import tomllib",
        "import datetime\nnow = datetime.UTC",
        "import re\nre.compile('a*+b')",
        "import re\nre.compile('(?>a)b')",
        "try:\n    pass\nexcept* ValueError:\n    pass",
    ],
)
def test_what_is_newer_is_found(tmp_path: Path, text: str) -> None:
    path = tmp_path / "new.py"
    path.write_text(text)
    assert len(faults(path)) == 1


def test_what_only_types_need_may_be_newer(tmp_path: Path) -> None:
    path = tmp_path / "typed.py"
    path.write_text(
        "import re\nfrom typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from typing import Self\n"
        "WORD = re.compile(r'[a-z]+\\+?(b+)')\n"
    )
    assert faults(path) == []
