# SPDX-License-Identifier: Apache-2.0
"""The notebook that goes onto a board: one photo through the accelerator, seen and timed."""

from __future__ import annotations

from typing import Any


def notebook(title: str, hw: str, bundle: str, photo: str) -> dict[str, Any]:
    """A Jupyter notebook (format 4.5) that expects the files of the board folder beside it.

    Args:
        title: of the board. bundle, photo: file names.
    """
    cells = [
        (
            "markdown",
            f"# Peritus on the {title}\n\nRun the cells in order. The first one loads the bitstream.",
        ),
        (
            "code",
            "import numpy as np\n"
            "from PIL import Image\n"
            "\n"
            "import peritus\n"
            "from peritus.bundle import Bundle\n"
            "from peritus.report import render\n"
            "\n"
            'DEVICE = "pynq"\n'
            f'bundle = Bundle.load("{bundle}")\n'
            f'device = peritus.open_device(DEVICE, hw="{hw}")\n'
            "device.load(bundle)\n"
            "[task.name for task in bundle.tasks]",
        ),
        ("markdown", "A photo of your own: change the name. It is scaled to what the model takes."),
        (
            "code",
            "size = (bundle.image_width, bundle.image_height)\n"
            f'image = np.array(Image.open("{photo}").convert("RGB").resize(size))\n'
            "Image.fromarray(image)",
        ),
        ("markdown", "Each task is chosen per frame, without loading anything."),
        (
            "code",
            "results = {task.name: device.run(image, task=task.name) for task in bundle.tasks}\n"
            "pictures = [render(result, image) for result in results.values()]\n"
            "Image.fromarray(np.concatenate(pictures))",
        ),
        ("markdown", "Cycles, by the accelerator's own counters."),
        ("code", "{name: result.perf.cycles for name, result in results.items()}"),
        ("code", "device.close()"),
    ]
    return {
        "cells": [_cell(index, kind, text) for index, (kind, text) in enumerate(cells)],
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def _cell(index: int, kind: str, text: str) -> dict[str, Any]:
    cell: dict[str, Any] = {
        "id": f"peritus-{index}",
        "cell_type": kind,
        "metadata": {},
        "source": text.splitlines(keepends=True),
    }
    return cell | ({"execution_count": None, "outputs": []} if kind == "code" else {})
