# SPDX-License-Identifier: Apache-2.0
"""python -m quant_models.data.scenes --sheet scenes.png --count 12: look at what is generated."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from PIL import Image

from quant_models.data.scenes.scene import generate
from quant_models.data.scenes.sheet import contact_sheet


def main(
    sheet: Annotated[Path | None, typer.Option(help="Picture of several scenes to write.")] = None,
    image: Annotated[Path | None, typer.Option(help="Image of one scene to write.")] = None,
    count: Annotated[int, typer.Option(help="Scenes of the sheet.", min=1)] = 12,
    seed: Annotated[int, typer.Option(help="Seed of the first scene.", min=0)] = 0,
    columns: Annotated[int, typer.Option(help="Scenes side by side.", min=1)] = 1,
) -> None:
    """Write a contact sheet of generated scenes (image, labels, depth), or one scene's image."""
    if sheet is None and image is None:
        raise typer.BadParameter("nothing to write: give --sheet or --image")
    if image is not None:
        Image.fromarray(generate(seed).image).save(image)
    if sheet is not None:
        scenes = [generate(seed + index) for index in range(count)]
        Image.fromarray(contact_sheet(scenes, columns)).save(sheet)


if __name__ == "__main__":
    typer.run(main)
