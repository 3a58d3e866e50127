# SPDX-License-Identifier: Apache-2.0
"""Where weights come from, carried from the first file to the maps: what is random in them is said at every
stage."""

from __future__ import annotations

from dataclasses import dataclass, replace

_UNTRAINED, _FILLED = "untrained: ", "filled: "
ALL = "all weights"


@dataclass(frozen=True)
class Provenance:
    """source: a file, a command, a seed; then what was done since. One line of text in every file.

    untrained: parts whose weights are random. filled: parts made from others, not trained as they are.
    """

    source: str
    untrained: tuple[str, ...] = ()
    filled: tuple[str, ...] = ()
    steps: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Provenance:
        """The inverse of `str`; texts of older files are understood too."""
        first, *rest = text.split("; ")
        untrained: tuple[str, ...] = ()
        filled: tuple[str, ...] = ()
        steps = []
        for part in rest:
            if part.startswith(_UNTRAINED):
                untrained = tuple(part.removeprefix(_UNTRAINED).split(" + "))
            elif part.startswith(_FILLED):
                filled = tuple(part.removeprefix(_FILLED).split(" + "))
            else:
                steps.append(part)
        if first.startswith("untrained") and not untrained:
            untrained = (ALL,)
        if "heads untrained" in first and not untrained:
            untrained = ("heads",)
        if "missing experts made from dense layers" in first and not filled:
            filled = ("experts",)
        return cls(first, untrained, filled, tuple(steps))

    def __str__(self) -> str:
        parts = [self.source]
        if self.untrained and not self.source.startswith("untrained"):
            parts.append(_UNTRAINED + " + ".join(self.untrained))
        if self.filled:
            parts.append(_FILLED + " + ".join(self.filled))
        return "; ".join((*parts, *self.steps))

    def then(self, step: str) -> Provenance:
        """With one thing more that was done."""
        return replace(self, steps=(*self.steps, step))

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
