# SPDX-License-Identifier: Apache-2.0
"""run.json: all that a run leaves for those who look at it later, in the folder of its maps.

It holds the configuration, the program without its weights, and of each frame counters, routing and
timeline: enough to explain every cycle where neither the bundle nor the device is at hand. What is read is of
others: every part is checked by itself, so that a part that is damaged, or of another version, costs that
part and is said.
"""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from peritus.arch.isa import EncodingError, FetchEntry, Instruction
from peritus.bundle import Bundle
from peritus.bundle.bundle import EXEC_BYTES, FETCH_BYTES
from peritus.bundle.header import Header
from peritus.errors import PeritusError
from peritus.runtime.rtl.harness import MAX_PORTS
from peritus.runtime.rtl.platform import PortSample
from peritus.runtime.rtl.simulation import DdrParameters
from peritus.runtime.timeline import Cause, Span, Timeline
from peritus.schema import CLOSED, Count, Data, Flag, Name, Real, SchemaError, Text, checked, read_json, short

FORMAT, VERSION = "peritus run", 1
FILE = "run.json"
MAX_SPANS = 1 << 20  # of a frame
MAX_SAMPLES = 4000  # of the ports
MAX_BYTES = 1 << 23  # of the file
CAUSES = tuple(Cause)  # a packed timeline has their numbers
_SPAN_BYTES = 7  # cycles, 4; instruction, 2; cause, 1

Part = TypeVar("Part")


class RunError(PeritusError):
    """There is no record of a run, or what is there is none; names the file and what is wrong."""


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
            np.array([span.end - span.start for span in timeline.spans], "<i4"),
            np.array([span.instruction for span in timeline.spans], "<u2"),
            np.array([numbers[span.cause] for span in timeline.spans], "u1"),
        )
        packed = zlib.compress(b"".join(column.tobytes() for column in columns))
        return cls(len(timeline.spans), base64.b64encode(packed).decode())

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
        starts = [0, *ends[:-1].tolist()]
        named = [CAUSES[number] for number in causes.tolist()]
        return Timeline(tuple(map(Span, indices.tolist(), named, starts, ends.tolist())))


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


@dataclass(frozen=True)
class Run:
    """What is known of a run. program: the bundle without its weights.

    missing: sentences that say which parts of the record could not be read, and why.
    """

    origin: Origin | None
    memory: Memory | None
    program: Bundle | None
    frames: tuple[FrameRecord, ...]
    folder: Path | None = None
    missing: tuple[str, ...] = ()


def installed_version() -> str:
    """Of this package."""
    try:
        return version("peritus")
    except PackageNotFoundError:
        return "unknown"


def bundle_digest(bundle: Bundle) -> str:
    """SHA-256 of the bundle's file."""
    return hashlib.sha256(bundle.to_bytes()).hexdigest()


def write_run(run: Run, path: Path) -> None:
    """Write the record of a run that is complete."""
    if run.program is None or run.origin is None:
        raise RunError(f"{path}: a run without its program or its command is not written")
    program = run.program
    record = {
        "format": FORMAT,
        "version": VERSION,
        "origin": asdict(run.origin),
        "memory": asdict(run.memory) if run.memory else None,
        "header": asdict(program.header()),
        "program": base64.b64encode(program.program).decode(),
        "frames": [asdict(frame) for frame in run.frames],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record) + "\n", encoding="utf-8")


def read_run(path: Path) -> Run:
    """The run of a folder, or of its run.json.

    Raises:
        RunError: no such file; it is no record of a run, or too large. Parts that are damaged or of another
        version are left out, and named in `missing`.
    """
    file = path / FILE if path.is_dir() else path
    try:
        with file.open("rb") as opened:
            data = opened.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise SchemaError(f"more than {MAX_BYTES} bytes")
        value = read_json(data.decode())
    except OSError:
        raise RunError(
            f"{path} is no run: {file} cannot be read; `peritus run -o FOLDER` writes it"
        ) from None
    except ValueError as error:  # SchemaError is one
        raise RunError(f"{file} is no record of a run: {error}") from error
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        raise RunError(f"{file} is no record of a run: it does not say that its format is {FORMAT!r}")
    return _parse(value, file.parent)


def _parse(value: dict[str, Any], folder: Path) -> Run:
    missing: list[str] = []
    if value.get("version") != VERSION:
        missing.append(f"the record has version {short(value.get('version'))}, read is {VERSION}")

    def part(kind: type[Part], name: str) -> Part | None:
        try:
            return checked(kind, value.get(name))
        except PeritusError as error:
            missing.append(f"{name}: {error}" if name in value else f"{name} is not there")
            return None

    origin = part(Origin, "origin")
    memory = part(Memory, "memory") if value.get("memory") is not None else None
    program = None
    if (header := part(Header, "header")) is not None:
        try:
            program = _program(header, value.get("program"))
        except PeritusError as error:
            missing.append(f"program: {error}")
    frames = []
    found = value.get("frames")
    for number, frame in enumerate(found if isinstance(found, list) else ()):
        try:
            frames.append(checked(FrameRecord, frame))
        except PeritusError as error:
            missing.append(f"frame {number}: {error}")
    if not frames:
        missing.append("no frame can be read")
    return Run(origin, memory, program, tuple(frames), folder, tuple(missing))


def _program(header: Header, text: object) -> Bundle:
    """The bundle without its weights."""
    if header.config_hash != f"{header.hw.hash64:#018x}":
        raise SchemaError(
            f"of another instruction layout, {short(header.config_hash)}; here it is {header.hw.hash64:#018x}"
        )
    expected = header.exec * EXEC_BYTES + header.fetch * FETCH_BYTES
    try:
        raw = base64.b64decode(text if isinstance(text, str) else "", validate=True)
        if len(raw) != expected:
            raise SchemaError(f"{len(raw)} bytes, expected {expected}")
        split = header.exec * EXEC_BYTES
        words = [int.from_bytes(raw[i : i + EXEC_BYTES], "little") for i in range(0, split, EXEC_BYTES)]
        entries = [
            int.from_bytes(raw[i : i + FETCH_BYTES], "little") for i in range(split, expected, FETCH_BYTES)
        ]
        return Bundle(
            model=header.model,
            provenance=header.provenance,
            hw=header.hw,
            frame=header.frame,
            tasks=header.tasks,
            features=header.features,
            memory=header.memory,
            instructions=tuple(map(Instruction.decode, words)),
            labels=header.labels,
            fetches=tuple(map(FetchEntry.decode, entries)),
            weights=np.zeros(0, np.uint8),
        )
    except SchemaError:
        raise
    except (EncodingError, ValueError) as error:
        raise SchemaError(f"cannot be decoded: {error}") from error
