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
    sheet: Annotated[Path, typer.Option(help="Picture to write.")],
    count: Annotated[int, typer.Option(help="Scenes to show.", min=1)] = 12,
    seed: Annotated[int, typer.Option(help="Seed of the first scene.", min=0)] = 0,
    columns: Annotated[int, typer.Option(help="Scenes side by side.", min=1)] = 1,
) -> None:
    """Write a contact sheet of generated scenes: image, labels, depth."""
    Image.fromarray(contact_sheet([generate(seed + index) for index in range(count)], columns)).save(sheet)


if __name__ == "__main__":
    typer.run(main)
