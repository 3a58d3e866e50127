# SPDX-License-Identifier: Apache-2.0
"""Does the C++ of hls/ stay within what Vitis HLS synthesizes? By clang's syntax tree (wheel libclang)."""

from __future__ import annotations

import functools
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from peritus.eda.errors import ToolchainError, ToolNotFound
from peritus.eda.verilator.install import CXX
from peritus.resources import how_to_install

RULES = {
    "heap": "no new, delete or allocation: memories are arrays",
    "recursion": "no function calls itself, directly or not",
    "virtual": "no virtual function: which one is called is known when it is compiled",
    "pointer": "no function pointer, pointer to a pointer or cast of a pointer (UG1399, Pointer Limitations)",
    "float": "no float or double: integers only",
    "loop": "a for loop that counts up to a bound; no while, do or goto, and no for without a condition",
    "exception": "no throw, try or dynamic type",
    "library": "nothing of the standard library but fixed-width integers and type traits",
}
HEADERS_S = 30
_ALLOCATION = {"malloc", "calloc", "realloc", "free", "alloca"}


@dataclass(frozen=True)
class Finding:
    """A construct that breaks a rule of RULES."""

    rule: str
    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}: {RULES[self.rule]}"


class NotParsed(ToolchainError):
    """A file is no C++ that clang understands; carries its first complaint."""


def findings(sources: Sequence[Path], includes: Sequence[Path], own: Sequence[Path]) -> list[Finding]:
    """What breaks a rule in `sources` and the headers of the folders `own`.

    Raises:
        ToolNotFound: libclang is not installed. NotParsed: see there.
    """
    try:
        from clang import cindex
    except ImportError as error:
        raise ToolNotFound(f"libclang is not installed: {how_to_install('prove')}") from error
    calls: dict[str, set[str]] = {}
    found: dict[Finding, None] = {}
    folders = [str(path.resolve()) for path in (*own, *(source.parent for source in sources))]
    index = cindex.Index.create()
    for source in sources:
        arguments = ["-x", "c++", "-std=c++17", "-DPERITUS_PROOF", "-DPERITUS_VITIS", "-Wno-unknown-pragmas"]
        arguments += [f"-isystem{_compiler_headers()}", *(f"-I{path}" for path in includes)]
        unit = index.parse(str(source), arguments)
        errors = [d for d in unit.diagnostics if d.severity >= cindex.Diagnostic.Error]
        if errors:
            where = errors[0].location
            raise NotParsed(f"{source}: {errors[0].spelling} ({where.file}:{where.line})")
        for cursor in _walk(unit.cursor, folders):
            found |= dict.fromkeys(_check(cursor, cindex.CursorKind))
            _note_call(cursor, cindex.CursorKind, calls)
    found |= dict.fromkeys(_recursions(calls))
    return list(found)


@functools.cache
def _compiler_headers() -> str:
    """g++'s own headers, for the wheel of libclang has none."""
    command = [CXX, "-print-file-name=include"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=HEADERS_S, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        raise ToolNotFound(f"{CXX} does not say where its headers are: {error}") from error
    return found.stdout.strip()


def _walk(cursor: Any, folders: list[str]) -> Iterator[Any]:
    """What stands in files of our own, each node after its parent."""
    for child in cursor.get_children():
        file = child.location.file
        if file is not None and any(str(Path(file.name).resolve()).startswith(f) for f in folders):
            yield child
            yield from _walk(child, folders)


def _check(cursor: Any, kinds: Any) -> Iterator[Finding]:
    where = f"{Path(cursor.location.file.name).name}:{cursor.location.line}"
    kind, name = cursor.kind, cursor.spelling
    if kind in (kinds.CXX_NEW_EXPR, kinds.CXX_DELETE_EXPR) or (
        kind == kinds.CALL_EXPR and name in _ALLOCATION
    ):
        yield Finding("heap", where, name or "new or delete")
    if kind == kinds.CXX_METHOD and cursor.is_virtual_method():
        yield Finding("virtual", where, name)
    if _is_bad_pointer(cursor, kinds):
        yield Finding("pointer", where, name or "a cast")
    if cursor.type.get_canonical().spelling.removeprefix("const ") in ("float", "double", "long double"):
        yield Finding("float", where, name or "a number")
    if kind in (kinds.WHILE_STMT, kinds.DO_STMT, kinds.GOTO_STMT):
        yield Finding("loop", where, "while, do or goto")
    if kind == kinds.FOR_STMT and not _is_bounded(cursor):
        yield Finding("loop", where, "for without a condition")
    if kind in (kinds.CXX_THROW_EXPR, kinds.CXX_TRY_STMT, kinds.CXX_TYPEID_EXPR, kinds.CXX_DYNAMIC_CAST_EXPR):
        yield Finding("exception", where, "throw, try or a dynamic type")
    referenced = cursor.referenced
    if kind == kinds.DECL_REF_EXPR and referenced is not None and _in_std(referenced, kinds):
        yield Finding("library", where, f"std::{name}")


def _is_bad_pointer(cursor: Any, kinds: Any) -> bool:
    kind, canonical = cursor.kind, cursor.type.get_canonical()
    is_pointer = canonical.kind.name == "POINTER"
    if kind == kinds.CXX_REINTERPRET_CAST_EXPR or (kind == kinds.CSTYLE_CAST_EXPR and is_pointer):
        return True
    to = canonical.get_pointee().get_canonical().kind.name if is_pointer else ""
    declared = kind in (kinds.VAR_DECL, kinds.PARM_DECL, kinds.FIELD_DECL)
    return declared and (to in ("POINTER", "FUNCTIONPROTO") or canonical.kind.name == "MEMBERPOINTER")


def _is_bounded(cursor: Any) -> bool:
    """Its head, up to the second semicolon, holds a comparison."""
    tokens = []
    for token in cursor.get_tokens():
        tokens.append(token.spelling)
        if token.spelling == ")" and tokens.count("(") == tokens.count(")"):
            break
    head = " ".join(tokens).split(";")
    return len(head) == 3 and any(sign in head[1].split() for sign in ("<", "<=", ">", ">="))


def _in_std(cursor: Any, kinds: Any) -> bool:
    parent = cursor.semantic_parent
    function = cursor.kind in (kinds.FUNCTION_DECL, kinds.CXX_METHOD, kinds.FUNCTION_TEMPLATE)
    return function and parent is not None and parent.kind == kinds.NAMESPACE and parent.spelling == "std"


def _note_call(cursor: Any, kinds: Any, calls: dict[str, set[str]]) -> None:
    if cursor.kind in (kinds.FUNCTION_DECL, kinds.CXX_METHOD, kinds.FUNCTION_TEMPLATE):
        mine = calls.setdefault(cursor.get_usr(), set())
        for child in cursor.walk_preorder():
            if child.kind == kinds.CALL_EXPR and child.referenced is not None:
                mine.add(child.referenced.get_usr())


def _recursions(calls: dict[str, set[str]]) -> Iterator[Finding]:
    for start, called in calls.items():
        seen: set[str] = set()
        todo = list(called)
        while todo:
            name = todo.pop()
            if name not in seen:
                seen.add(name)
                todo += calls.get(name, ())
        if start in seen:
            yield Finding("recursion", "hls", start)
