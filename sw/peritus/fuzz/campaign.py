# SPDX-License-Identifier: Apache-2.0
"""Many cases, hardware by hardware, in as many processes as there are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, as_completed
from dataclasses import dataclass, field

from peritus.arch.config import HwConfig
from peritus.devices import find_device
from peritus.fuzz.case import Case, draw
from peritus.fuzz.coverage import Mode
from peritus.fuzz.play import Played, play
from peritus.fuzz.shrink import shrink
from peritus.runtime import Device, open_device
from peritus.runtime.driver.platform import Limit
from peritus.runtime.rtl.simulation import DdrParameters

LIMIT = Limit(seconds=300, cycles=20_000_000)  # for each frame
CHUNK = 10  # cases that a process is given at once


@dataclass
class Failure:
    """A case that did not play to its end; error: class and text."""

    case: Case
    error: str


@dataclass
class Tally:
    """What many cases were. shapes: dimensions (tokens, d, hidden) met."""

    cases: int = 0
    too_large: int = 0
    cycles: int = 0
    results: int = 0
    modes: set[Mode] = field(default_factory=set)
    shapes: set[tuple[int, int, int]] = field(default_factory=set)
    failures: list[Failure] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        """Both together."""
        self.cases += other.cases
        self.too_large += other.too_large
        self.cycles += other.cycles
        self.results += other.results
        self.modes |= other.modes
        self.shapes |= other.shapes
        self.failures += other.failures


def opener_of(device: str) -> Callable[[HwConfig, Case], Device]:
    """Opens a device as a case wants it, as far as the device has such options."""

    def opener(hw: HwConfig, case: Case) -> Device:
        wanted = {"limit": LIMIT, "power_up": case.power_up}
        if case.ddr:
            wanted["ddr"] = DdrParameters(**case.ddr)
        return open_device(device, hw, **find_device(device).takes(wanted))

    return opener


def try_case(case: Case, device: str) -> Played | Failure:
    """Play it; whatever happens comes back."""
    try:
        return play(case, opener_of(device))
    except Exception as error:  # all of it is a finding
        return Failure(case, f"{type(error).__name__}: {error}")


def run_chunk(hw: HwConfig, seeds: list[int], device: str) -> Tally:
    """Cases of one hardware."""
    tally = Tally()
    for seed in seeds:
        case = draw(seed, hw)
        tally.cases += 1
        outcome = try_case(case, device)
        if isinstance(outcome, Failure):
            tally.failures.append(outcome)
            continue
        tally.too_large += outcome.too_large
        tally.cycles += outcome.cycles
        tally.results += outcome.results
        tally.modes |= outcome.modes
        if not outcome.too_large:
            dims = case.network
            tokens = dims.prefix + dims.height * dims.width // dims.patch**2
            tally.shapes.add((tokens, dims.d, dims.hidden))
    return tally


def run_campaign(
    hardware: list[HwConfig], seeds: list[int], device: str, executor: Executor
) -> Iterator[Tally]:
    """The seeds dealt out to the hardware; tallies as they come. Simulators are built first, one by one."""
    chunks: dict[Future[Tally], HwConfig] = {}
    for index, hw in enumerate(hardware):
        mine = seeds[index :: len(hardware)]
        for first in range(0, len(mine), CHUNK):
            chunks[executor.submit(run_chunk, hw, mine[first : first + CHUNK], device)] = hw
    for done in as_completed(chunks):
        yield done.result()


def shrunk(failure: Failure, device: str, seconds: float) -> Failure:
    """The smallest case found that fails like this one (by its class of error)."""
    kind = failure.error.partition(":")[0]
    last = failure

    def fails(case: Case) -> bool:
        nonlocal last
        outcome = try_case(case, device)
        same = isinstance(outcome, Failure) and outcome.error.partition(":")[0] == kind
        if same and isinstance(outcome, Failure):
            last = outcome
        return same

    shrink(failure.case, fails, seconds)
    return last
