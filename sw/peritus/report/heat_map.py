# SPDX-License-Identifier: Apache-2.0
"""Expert use as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from peritus.errors import PeritusError
from peritus.resources import how_to_install


class PlotError(PeritusError):
    """A plot cannot be drawn; says what is missing."""


def expert_heat_map(use: Mapping[str, npt.NDArray[np.float64]], layers: Sequence[str], path: Path) -> None:
    """Draw one panel per task, layers down, experts across; the format follows the suffix of `path`.

    use: by task, [layers, experts], the share of the tokens that an expert works on.

    Raises:
        PlotError: nothing to draw, or matplotlib is not installed.
    """
    if not layers:
        raise PlotError("the model has no experts: nothing to draw")
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise PlotError(
            f"plots need matplotlib: {how_to_install('models')}, or pip install matplotlib"
        ) from error
    experts = next(iter(use.values())).shape[1]
    size = (1.6 + max(2.4, 0.32 * experts) * len(use), 1.4 + 0.32 * len(layers))
    figure = Figure(figsize=size, layout="constrained")
    top = max(float(values.max()) for values in use.values())
    panels = figure.subplots(1, len(use), squeeze=False)[0]
    for axes, (task, values) in zip(panels, use.items(), strict=True):
        picture = axes.imshow(values * 100, vmin=0, vmax=top * 100, cmap="viridis", aspect="auto")
        axes.set_title(task, fontsize=10)
        axes.set_xlabel("expert")
        axes.set_xticks(range(0, experts, 1 if experts <= 8 else 3))
        axes.set_yticks(range(len(layers)), layers if axes is panels[0] else [""] * len(layers), fontsize=8)
    figure.colorbar(picture, ax=list(panels), label="% of the tokens")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)
