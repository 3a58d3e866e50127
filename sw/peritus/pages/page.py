# SPDX-License-Identifier: Apache-2.0
"""The page: one file that asks nobody for anything. Tables are HTML, charts Bokeh's, numbers JSON as well."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from peritus.pages import charts
from peritus.pages.built import Built
from peritus.pages.errors import PageError
from peritus.pages.numbers import differences, numbers
from peritus.pages.subject import Frame, Picture, Subject
from peritus.pages.units import COLOURS, UNITS
from peritus.report.run_parts import CAUSES, PackedTimeline
from peritus.resources import how_to_install
from peritus.runtime.timeline import Cause

FOLDER = Path(__file__).resolve().parent
WIDEST = 640  # pixels of a picture on the page


def write_page(
    path: Path, subject: Subject, against: Subject | None = None, *, built: Built | None = None
) -> None:
    """Write the page of a subject; of both, with their differences first, if there is another.

    built: what tools said of the first one's configuration.

    Raises:
        PageError: the extra 'report' is not installed.
    """
    text = page(subject, against, built)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def page(subject: Subject, against: Subject | None = None, built: Built | None = None) -> str:
    """The page as HTML; raises as `write_page`."""
    try:
        from bokeh.resources import Resources
        from jinja2 import Environment, FileSystemLoader
    except ImportError as error:
        raise PageError(f"a page needs Bokeh: {how_to_install('report')}") from error
    subjects = [subject, *([against] if against else [])]
    found = [numbers(one, built if one is subject else None) for one in subjects]
    items: dict[str, Any] = {}
    parts = []
    for one, values in zip(subjects, found, strict=True):
        views = [_view(one, frame, values["frames"][n], items) for n, frame in enumerate(one.frames)]
        parts.append({"numbers": values, "frames": views})
    environment = Environment(
        loader=FileSystemLoader(FOLDER), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["cause"] = lambda name: Cause[name].value
    environment.filters["colour"] = lambda name: COLOURS[Cause[name]]
    data = {"subjects": found, "differences": differences(*found) if against else []}
    return environment.get_template("page.html").render(
        parts=parts,
        differences=data["differences"],
        numbers=_script(data),
        items=_script(items),
        units=[(unit, [cause.name for cause in causes]) for unit, causes in UNITS],
        style=(FOLDER / "page.css").read_text(encoding="utf-8"),
        script=(FOLDER / "page.js").read_text(encoding="utf-8"),
        library="\n".join(Resources(mode="inline", components=["bokeh"]).js_raw),
    )


def _view(subject: Subject, frame: Frame, values: Mapping[str, Any], items: dict[str, Any]) -> dict[str, Any]:
    """A frame as the template shows it; its charts go to `items`."""
    number = len([name for name in items if name.startswith("timeline")])
    if subject.program is not None and subject.memory is not None and frame.timeline is not None:
        from bokeh.embed import json_item

        items[f"timeline-{number}"] = {
            "item": json_item(charts.timeline(frame, subject.program.hw, number)),
            "spans": vars(PackedTimeline.of(frame.timeline)),
            "causes": [cause.name for cause in CAUSES],
            "words": [cause.value for cause in CAUSES],
            "instructions": {
                step.index: [
                    f"{step.index} {step.instruction.opcode.name} {step.label}",
                    str(step.instruction.expert) if step.instruction.expert_valid else "",
                    step.layer,
                ]
                for step in frame.steps
            },
            "number": number,
        }
        roof = charts.roofline(frame, subject.program.hw, subject.memory.bytes_per_cycle, number)
        if roof is not None:
            items[f"roofline-{number}"] = {"item": json_item(roof)}
    return {
        **values,
        "id": number,
        "timeline": f"timeline-{number}" if f"timeline-{number}" in items else None,
        "roofline": f"roofline-{number}" if f"roofline-{number}" in items else None,
        "ports_of_rtl": frame.ports is not None,
        "image": _picture(frame.image),
        "picture": _picture(frame.picture),
        "most": max((max(row) for row in values["routing"] or () if row), default=0),
    }


def _picture(picture: Picture | None) -> str | None:
    """A picture as a data URL of bounded size."""
    if picture is None:
        return None
    image = Image.fromarray(picture)
    image.thumbnail((WIDEST, WIDEST))
    file = io.BytesIO()
    image.save(file, "JPEG", quality=88)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()


def _script(value: Any) -> str:
    """JSON that cannot end the element that it stands in."""
    return json.dumps(value, separators=(",", ":")).replace("<", "\\u003c")
