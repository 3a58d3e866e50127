# SPDX-License-Identifier: Apache-2.0
"""A real Chromium without a window; a test that cannot have one is skipped and says why.

`python -m tests.pages.browser report.html` prints what it measures of a report, and draws its beginning with
`--picture FILE`.
"""

from __future__ import annotations

import argparse
import io
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

PROGRAMS = ("chromium", "chromium-browser")
DRAWN = "document.documentElement.dataset.drawn || document.documentElement.dataset.failed"
FIRST_PAINT = "performance.getEntriesByName('first-paint')[0].startTime"
WAIT_MS = 30_000
COLOURS: dict[str, Any] = {"method": Image.Quantize.FASTOCTREE, "dither": Image.Dither.NONE}  # red stays red
PICTURE, PICTURE_SCALE = {"x": 80, "y": 0, "width": 1240, "height": 1980}, 0.75  # pixels of a page
# From the whole frame to 200 cycles in its midst; how many steps, of each a new range and a picture of it.
ZOOM = """async () => {
  const range = Bokeh.documents[0].get_model_by_name("timeline-0").x_range;
  const frame = () => new Promise(requestAnimationFrame);
  const cycles = range.end, middle = cycles / 2;
  let steps = 0;
  for (let width = cycles; width > 200; width /= 1.25, steps += 1) {
    range.setv({ start: middle - width / 2, end: middle + width / 2 });
    await frame();
    await frame();
  }
  return steps;
}"""


@dataclass(frozen=True)
class Measured:
    """slices: of all timelines. first_paint_ms: after the page was asked for. zoom_ms: that the page's thread
    works for a step of a zoom into the first timeline, whatever else the processor does."""

    slices: int
    charts: int
    first_paint_ms: float
    zoom_ms: float


@contextmanager
def opened(**options: Any) -> Iterator[tuple[Any, list[str], list[str]]]:
    """A page; what its console complains of; what it asks for besides itself, both as they come."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="not installed: playwright")
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        pytest.skip("not installed: chromium (Debian's package; `make chromium` installs it)")
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
    page.goto(path.resolve().as_uri())
    page.wait_for_function(DRAWN)
    assert page.evaluate("document.documentElement.dataset.failed") is None


def measure(page: Any) -> Measured:
    """Of a report that is shown and has a timeline."""
    numbers = page.evaluate("JSON.parse(document.getElementById('numbers').textContent)")
    frames = [frame for subject in numbers["subjects"] for frame in subject["frames"]]
    slices = sum(frame["slices"] for frame in frames)
    charts = int(page.evaluate("document.documentElement.dataset.drawn"))
    tools = page.context.new_cdp_session(page)
    tools.send("Performance.enable", {"timeDomain": "threadTicks"})
    before = _seconds(tools)
    steps = page.evaluate(ZOOM)
    zoom_ms = 1e3 * (_seconds(tools) - before) / steps
    return Measured(slices, charts, page.evaluate(FIRST_PAINT), zoom_ms)


def _seconds(tools: Any) -> float:
    """That the page's thread has been at work."""
    found = {entry["name"]: entry["value"] for entry in tools.send("Performance.getMetrics")["metrics"]}
    return float(found["TaskDuration"])


def main(path: Path, picture: Path | None) -> None:
    with opened() as (page, complaints, requests):
        show(page, path)
        found = measure(page)
    if picture is not None:
        with opened(device_scale_factor=PICTURE_SCALE) as (page, _, _):
            show(page, path)
            drawn = page.screenshot(full_page=True, clip=PICTURE)
        small = Image.open(io.BytesIO(drawn)).convert("RGB").quantize(256, **COLOURS)
        small.save(picture, optimize=True)
    size = path.stat().st_size / 1e6
    print(f"{size:.1f} MB, {found.slices:,} slices, {found.charts} charts drawn")
    print(f"first paint after {found.first_paint_ms:.0f} ms")
    print(f"{found.zoom_ms:.0f} ms of work for a step of a zoom")
    print(f"{len(complaints)} complaints of the console, {len(requests) - 1} other requests")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("report", type=Path)
    parser.add_argument("--picture", type=Path)
    chosen = parser.parse_args()
    main(chosen.report, chosen.picture)
