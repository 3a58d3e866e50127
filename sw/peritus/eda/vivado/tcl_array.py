# SPDX-License-Identifier: Apache-2.0
"""Values of Python as an array of Tcl."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from peritus.eda.errors import ProjectError

Value = str | int | Sequence["Value"]


def tcl_array(name: str, values: Mapping[str, Value]) -> str:
    """`array set name {...}`; sequences become lists. ProjectError for text that braces cannot quote."""

    def word(text: object) -> str:
        if set(str(text)) & set("{}\\\n"):
            raise ProjectError(f"{text!r} cannot be written in braces in Tcl")
        return f"{{{text}}}"

    def value(item: Value, depth: int = 1) -> str:
        if isinstance(item, str | int):
            return word(item)
        parts = [value(part, depth + 1) for part in item]
        if depth == 1 and not all(isinstance(part, str | int) for part in item):
            return "{\n    " + "\n    ".join(parts) + "\n  }"
        return f"{{{' '.join(parts)}}}"

    rows = [f"  {key} {value(item)}" for key, item in values.items()]
    return f"array set {name} {{\n" + "\n".join(rows) + "\n}\n"
