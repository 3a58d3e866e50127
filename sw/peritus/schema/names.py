# SPDX-License-Identifier: Apache-2.0
"""Names and texts of others: what they may be, and how a terminal and a file system see them."""

from __future__ import annotations

import hashlib
import re

MAX_NAME = 512  # characters
_FILE_CHARACTERS = re.compile(r"[^A-Za-z0-9_.-]")
_LONGEST_FILE = 100  # characters, so that any suffix still fits what file systems take


def name_fault(name: str) -> str | None:
    """What is wrong with the name of a task, class, node or model; None: nothing."""
    if not name:
        return "a name must have a character"
    if len(name) > MAX_NAME:
        return f"a name of {len(name)} characters, limit {MAX_NAME}"
    if not name.isprintable():
        return f"the name {name[:60]!r} has characters that cannot be printed"
    return None


def printable(text: str) -> str:
    """The text with everything escaped that a terminal might obey: control characters, directions, ...

    Line breaks stay.
    """
    if text.replace("\n", "").isprintable():
        return text
    return "".join(c if c == "\n" or c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def file_name(name: str, endings: tuple[str, ...] = ()) -> str:
    """A file's name, without its suffix, that says `name` and leads nowhere else.

    A name of letters, digits, _, . and - that begins with no dot or dash is itself; of any other the rest
    becomes _, and a digest keeps different names different. endings: with which files of other names end,
    so that a name that has one gets a digest too.
    """
    plain = _FILE_CHARACTERS.sub("_", name)[:_LONGEST_FILE]
    if plain == name and name[:1] not in ("", ".", "-") and not name.endswith(endings):
        return name
    return f"{plain.lstrip('.-')}_{hashlib.sha256(name.encode(errors='replace')).hexdigest()[:8]}"
