# SPDX-License-Identifier: Apache-2.0
"""A real Chromium without a window; a test that cannot have one is skipped and says why."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

DRAWN = "document.documentElement.dataset.drawn || document.documentElement.dataset.failed"
WAIT_MS = 30_000


@contextmanager
def opened(**options: Any) -> Iterator[tuple[Any, list[str], list[str]]]:
    """A page; what its console complains of; what it asks for besides itself, both as they come."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="not installed: playwright")
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.skip("not installed: chromium (Debian's package)")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        try:
            page = browser.new_page(viewport={"width": 1400, "height": 1000}, **options)
            page.set_default_timeout(WAIT_MS)
            complaints: list[str] = []
            requests: list[str] = []
            page.on(
                "console", lambda m: complaints.append(m.text) if m.type in ("error", "warning") else None
            )
            page.on("pageerror", lambda error: complaints.append(str(error)))
            page.on("request", lambda request: requests.append(request.url))
            yield page, complaints, requests
        finally:
            browser.close()


def show(page: Any, path: Path) -> None:
    """A report, until all of its charts are drawn."""
    page.goto(path.as_uri())
    page.wait_for_function(DRAWN)
    assert page.evaluate("document.documentElement.dataset.failed") is None
