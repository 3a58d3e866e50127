# SPDX-License-Identifier: Apache-2.0
"""The parts of a run's record (run.json): typed and bounded, for a record is of others when it is read."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise

import numpy as np

from peritus.runtime.rtl.harness import MAX_PORTS
from peritus.runtime.rtl.platform import PortSample
from peritus.runtime.rtl.simulation import DdrParameters
from peritus.runtime.timeline import Cause, Timeline
from peritus.schema import CLOSED, Count, Data, Flag, Name, Real, SchemaError, Text

MAX_SPANS = 1 << 20  # of a frame
MAX_SAMPLES = 4000  # of the ports
CAUSES = tuple(Cause)  # a packed timeline has their numbers
_SPAN_BYTES = 7  # cycles, 4; instruction, 2; cause, 1


@dataclass(frozen=True)
class PackedTimeline:
    """A timeline in a text: columns one behind the other (cycles as differences), compressed."""

    __pydantic_config__ = CLOSED
    spans: Count
    data: Data

    @classmethod
    def of(cls, timeline: Timeline) -> PackedTimeline:
        """The inverse of `timeline`."""
        numbers = {cause: number for number, cause in enumerate(CAUSES)}
        columns = (
            np.diff(timeline.ends, prepend=0).astype("<i4"),
            np.array(timeline.instructions, "<u2"),
            np.array([numbers[cause] for cause in timeline.whys], "u1"),
        )
        packed = zlib.compress(b"".join(column.tobytes() for column in columns))
        return cls(len(timeline), base64.b64encode(packed).decode())

    def timeline(self, instructions: int) -> Timeline:
        """Of a program of so many instructions; SchemaError if it cannot be of that."""
        if not 1 <= self.spans <= MAX_SPANS:
            raise SchemaError(f"timeline of {self.spans} spans, must be 1..{MAX_SPANS}")
        size = self.spans * _SPAN_BYTES
        try:
            unpack = zlib.decompressobj()
            raw = unpack.decompress(base64.b64decode(self.data, validate=True), size + 1)
        except (zlib.error, ValueError) as error:
            raise SchemaError(f"timeline cannot be unpacked: {error}") from error
        if len(raw) != size:
            raise SchemaError(f"timeline of {len(raw)} bytes, {self.spans} spans have {size}")
        lengths = np.frombuffer(raw, "<i4", self.spans)
        indices = np.frombuffer(raw, "<u2", self.spans, 4 * self.spans)
        causes = np.frombuffer(raw, "u1", self.spans, 6 * self.spans)
        ends = lengths.astype(np.int64).cumsum()
        if lengths.min() < 1 or ends[-1] >= 1 << 31:
            raise SchemaError("timeline with spans of no cycle, or longer than 2^31")
        if indices.max() >= instructions:
            raise SchemaError(f"timeline with instruction {indices.max()}, the program has {instructions}")
        if causes.max() >= len(CAUSES):
            raise SchemaError(f"timeline with cause {causes.max()}, known are 0..{len(CAUSES) - 1}")
        whys = tuple(CAUSES[number] for number in causes.tolist())
        return Timeline(tuple(indices.tolist()), whys, tuple(ends.tolist()))


@dataclass(frozen=True)
class PortUse:
    """Bytes that each port has read by these cycles of the frame; both ascend."""

    __pydantic_config__ = CLOSED
    cycles: tuple[Count, ...]
    read: tuple[tuple[Count, ...], ...]

    def __post_init__(self) -> None:
        for name, values in (("cycles", self.cycles), *(("read", port) for port in self.read)):
            if len(values) != len(self.cycles) or any(b < a for a, b in pairwise(values)):
                raise ValueError(f"{name} has {len(values)} values, expected {len(self.cycles)} that ascend")
        if len(self.cycles) < 2 or not 1 <= len(self.read) <= MAX_PORTS:
            raise ValueError(f"{len(self.cycles)} samples of {len(self.read)} ports")

    @classmethod
    def of(cls, samples: Sequence[PortSample]) -> PortUse:
        """Of at most MAX_SAMPLES, the last one always."""
        step = -(-len(samples) // MAX_SAMPLES)
        kept = [*samples[:-1:step], samples[-1]]
        ports = zip(*(sample.read for sample in kept), strict=True)
        return cls(tuple(sample.cycle for sample in kept), tuple(ports))


@dataclass(frozen=True)
class Counters:
    """As peritus.runtime.device.Perf."""

    __pydantic_config__ = CLOSED
    cycles: Count | None
    array_busy: Count | None
    stall_weight: Count | None
    stall_wait: Count | None
    bytes_read: Count
    bytes_written: Count
    seconds: Real
    bytes_by_port: tuple[Count, ...]


@dataclass(frozen=True)
class FrameRecord:
    """One frame. cold: the first one after a load, which fills what stays on chip.

    image, picture: files beside the record: what went in, and the map as people see it. outputs: SHA-256 of
    each output's integers. routing: tokens of each expert, a row for each gate. timeline: of the device;
    None where the device has none. ports: what they read, likewise.
    """

    __pydantic_config__ = CLOSED
    task: Name
    features: Flag
    cold: Flag
    counters: Counters
    bit_exact: Flag | None
    outputs: dict[Name, Name]
    image: Name | None = None
    picture: Name | None = None
    routing: tuple[tuple[Count, ...], ...] | None = None
    timeline: PackedTimeline | None = None
    ports: PortUse | None = None


@dataclass(frozen=True)
class Memory:
    """Timing of the simulated memory, as peritus.runtime.rtl.simulation.DdrParameters."""

    __pydantic_config__ = CLOSED
    read_latency: Count
    bytes_per_cycle: Real
    write_latency: Count
    jitter: Count
    refresh_period: Count
    refresh_cycles: Count
    outstanding: Count
    stall: Real
    seed: Count

    @classmethod
    def of(cls, ddr: DdrParameters) -> Memory:
        """What there is of it, without limits of single ports."""
        return cls(**{name: getattr(ddr, name) for name in cls.__dataclass_fields__})

    def parameters(self) -> DdrParameters:
        """For the cycle model; SimulationError if a number is out of range."""
        return DdrParameters(**asdict(self))


@dataclass(frozen=True)
class Origin:
    """command: that made the run. power_up: of simulated hardware. bundle: SHA-256 of its file."""

    __pydantic_config__ = CLOSED
    command: Text
    peritus: Name
    device: Name
    power_up: Text | None
    bundle: Name
