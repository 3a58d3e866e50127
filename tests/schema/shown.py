# SPDX-License-Identifier: Apache-2.0
"""Whether a terminal that shows something is safe from it."""

from __future__ import annotations

import io
import json
from typing import Any

from rich.console import Console


def check_shown(table: object, record: Any) -> None:
    """Render for people and as JSON, as the commands do; AssertionError if a terminal would obey anything."""
    text = io.StringIO()
    Console(file=text, markup=False, emoji=False, width=200).print(table)
    text.write(json.dumps(record))
    unsafe = {c for c in text.getvalue() if not c.isprintable() and c != "\n"}
    assert not unsafe, f"a terminal would see {sorted(map(hex, map(ord, unsafe)))}"
