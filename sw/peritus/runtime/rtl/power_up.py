# SPDX-License-Identifier: Apache-2.0
"""What registers and on-chip memories hold before the reset: nothing may depend on it."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from peritus.bundle import Bundle
from peritus.errors import PeritusError
from peritus.runtime.base import Request
from peritus.runtime.buffers import FrameBuffers
from peritus.runtime.device import Result
from peritus.runtime.driver.device import DrivenDevice
from peritus.runtime.errors import DeviceClosed, DeviceError
from peritus.runtime.rtl.errors import SimulationError

if TYPE_CHECKING:
    from typing import Self

PATTERNS = ("zeros", "ones", "random")  # by Verilator's numbers
MAX_SEED = (1 << 31) - 1


class PowerUpError(PeritusError):
    """No such pattern or seed; names those there are."""


@dataclass(frozen=True)
class PowerUp:
    """A pattern.

    pattern: one of PATTERNS. seed: 1..MAX_SEED, of random, which it determines for one simulator; else 1.
    """

    pattern: str
    seed: int = 1

    def __post_init__(self) -> None:
        if self.pattern not in PATTERNS or not 1 <= self.seed <= MAX_SEED:
            raise PowerUpError(
                f"power-up {self}: must be zeros, ones, random, or random:SEED with SEED 1..{MAX_SEED}"
            )

    @classmethod
    def of(cls, text: str) -> Self:
        """As a user writes it, "zeros", "ones", "random:7", or "random" for a new seed; PowerUpError."""
        pattern, colon, seed = text.partition(":")
        if not colon:
            return cls(pattern, 1 + secrets.randbelow(MAX_SEED) if pattern == "random" else 1)
        if pattern != "random" or not (seed.isascii() and seed.isdigit() and len(seed) < 12):
            raise PowerUpError(f"power-up {text!r}: must be zeros, ones, random or random:SEED")
        return cls(pattern, int(seed))

    def __str__(self) -> str:
        return f"random:{self.seed}" if self.pattern == "random" else self.pattern

    @property
    def number(self) -> int:
        """The pattern for the harness (sim/power_up.hpp)."""
        return PATTERNS.index(self.pattern)

    @property
    def suffix(self) -> str:
        """For messages: whoever reads them can power up like this again."""
        return f"; power-up {self}"


class PoweredUp(DrivenDevice):
    """A driven device that is simulated: whatever it does wrong, the error names the power-up.

    The first base of such devices.
    """

    power_up: PowerUp

    def _install(self, bundle: Bundle) -> FrameBuffers:
        with self._named():
            return super()._install(bundle)

    def _start(self) -> None:
        with self._named():
            super()._start()

    def _jobs(self, bundle: Bundle, requests: Iterator[Request]) -> Iterator[Result]:
        with self._named():
            yield from super()._jobs(bundle, requests)

    @contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except DeviceClosed:
            raise
        except (DeviceError, SimulationError) as error:
            if self.power_up.suffix not in str(error):
                error.args = (f"{error}{self.power_up.suffix}",)
            raise
