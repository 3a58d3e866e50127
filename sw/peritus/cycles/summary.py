# SPDX-License-Identifier: Apache-2.0
"""A frame's timeline for people: by cause, by layer, by instruction."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from peritus.bundle import Bundle
from peritus.runtime.timeline import Cause, Timeline


@dataclass
class Layer:
    """Instructions of one part of the network, as blocks.0.attn; cycles by cause."""

    name: str
    instructions: int = 0
    causes: Counter[Cause] = field(default_factory=Counter)

    @property
    def cycles(self) -> int:
        """In all."""
        return self.causes.total()

    @property
    def busy(self) -> float:
        """Share of the cycles in which the array took a token."""
        return self.causes[Cause.ARRAY] / self.cycles

    def waits(self, most: int = 3) -> list[tuple[Cause, int]]:
        """Its largest causes besides the array."""
        others = Counter(self.causes)
        del others[Cause.ARRAY]
        return others.most_common(most)


def layer_name(label: str) -> str:
    """The part of the network that an instruction with this label belongs to, as blocks.0.attn."""
    return ".".join(label.partition(" ")[0].split(".")[:3])


def layers(bundle: Bundle, timeline: Timeline) -> list[Layer]:
    """The frame part by part, in the order of the program; they add up to it."""
    found: dict[str, Layer] = {}
    for row in timeline.rows():
        name = layer_name(bundle.labels[row.instruction])
        layer = found.setdefault(name, Layer(name))
        layer.instructions += 1
        layer.causes += row.causes
    return list(found.values())
