# SPDX-License-Identifier: Apache-2.0
"""Where weights come from, carried from the first file to the maps: what is random in them is said at every
stage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

_UNTRAINED, _FILLED, _SNR = "untrained: ", "filled: ", "SNR after each block, dB: "
_MOST_DB = 200.0  # as peritus quantize caps it
ALL = "all weights"


@dataclass(frozen=True)
class Provenance:
    """source: a file, a command, a seed; then what was done since. One line of text in every file.

    untrained: parts whose weights are random. filled: parts made from others, not trained as they are.
    snr_db: of the residual stream after each block against the float network; empty if not measured.
    """

    source: str
    untrained: tuple[str, ...] = ()
    filled: tuple[str, ...] = ()
    steps: tuple[str, ...] = ()
    snr_db: tuple[float, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Provenance:
        """The inverse of `str`; texts of older files are understood too."""
        first, *rest = text.split("; ")
        untrained: tuple[str, ...] = ()
        filled: tuple[str, ...] = ()
        snr_db: tuple[float, ...] = ()
        steps = []
        for part in rest:
            if part.startswith(_UNTRAINED):
                untrained = tuple(part.removeprefix(_UNTRAINED).split(" + "))
            elif part.startswith(_FILLED):
                filled = tuple(part.removeprefix(_FILLED).split(" + "))
            elif part.startswith(_SNR) and (found := _decibels(part.removeprefix(_SNR))):
                snr_db = found
            else:
                steps.append(part)
        if first.startswith("untrained") and not untrained:
            untrained = (ALL,)
        if "heads untrained" in first and not untrained:
            untrained = ("heads",)
        if "missing experts made from dense layers" in first and not filled:
            filled = ("experts",)
        return cls(first, untrained, filled, tuple(steps), snr_db)

    def __str__(self) -> str:
        parts = [self.source]
        if self.untrained and not self.source.startswith("untrained"):
            parts.append(_UNTRAINED + " + ".join(self.untrained))
        if self.filled:
            parts.append(_FILLED + " + ".join(self.filled))
        measured = [_SNR + " ".join(f"{value:.1f}" for value in self.snr_db)] if self.snr_db else []
        return "; ".join((*parts, *self.steps, *measured))

    def then(self, step: str) -> Provenance:
        """With one thing more that was done, which makes other weights: their SNR is not known."""
        return replace(self, steps=(*self.steps, step), snr_db=())

    def measured(self, snr_db: Sequence[float]) -> Provenance:
        """With the SNR after each block, in tenths of a dB."""
        return replace(self, snr_db=tuple(round(value, 1) for value in snr_db))

    @property
    def warning(self) -> str | None:
        """What a reader of maps must know, None of trained weights."""
        if ALL in self.untrained:
            return f"The weights are {self}: the maps show the machine at work and mean nothing."
        parts = [f"{', '.join(self.untrained)} untrained"] if self.untrained else []
        parts += [f"{', '.join(self.filled)} made from other layers"] if self.filled else []
        if not parts:
            return None
        return f"In the weights ({self.source}) are {' and '.join(parts)}: the maps mean nothing."


def _decibels(text: str) -> tuple[float, ...]:
    """Values between blanks; none if one of them is no SNR."""
    try:
        values = tuple(float(value) for value in text.split())
    except ValueError:
        return ()
    return values if all(abs(value) <= _MOST_DB for value in values) else ()  # nor if one is no number
