# SPDX-License-Identifier: Apache-2.0
"""The bundle: everything that a device needs to run a model, in one file. No pickle.

    offset  size  content
    0       8     magic "PERITUSB"
    8       4     version
    12      4     bytes of the header
    16      8     bytes of the file
    24      32    SHA-256 of everything after this field
    56      ...   header, JSON; then, each from a multiple of 64: exec instructions (32 bytes each) followed
    by
                  fetch entries (8 bytes each); weight image; right behind it, if there is one, the host's
                  tail
Integers are little endian.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from peritus.arch.config import ConfigError, HwConfig
from peritus.arch.isa import EXEC_BITS, FETCH_BITS, EncodingError, FetchEntry, Instruction
from peritus.bundle.errors import (
    BundleConfigError,
    BundleCorrupted,
    BundleError,
    BundleTaskError,
    BundleTruncated,
    BundleVersionError,
)
from peritus.bundle.frame import FrameLayout
from peritus.bundle.header import ALIGNMENT, TOGETHER, FeatureEntry, Header, TaskEntry, map_offsets
from peritus.provenance import Provenance
from peritus.schema import SchemaError, file_fault, short
from peritus.tail import HostTail

MAGIC = b"PERITUSB"
VERSION = 3
COMPILE_AGAIN = "compile it again: peritus compile MODEL --hw HW -o FILE"
EXEC_BYTES, FETCH_BYTES = EXEC_BITS // 8, FETCH_BITS // 8
MAX_FILE_BYTES = 1 << 32
_PREFIX = struct.Struct("<8sIIQ32s")


@dataclass(frozen=True, eq=False)
class Bundle:
    """A compiled model.

    hw: the hardware configuration it was compiled for. frame: the image, and how memory holds it.
    labels: for each exec instruction the graph node and part that it computes.
    memory: words used of each on-chip memory. weights: uint8, whole stripes. tail: what the host computes of
    the features. together: jobs of number len(tasks) compute the maps of all tasks, with so
    many useful multiply-accumulates; 0: there are none.
    """

    model: str
    provenance: str
    hw: HwConfig
    frame: FrameLayout
    tasks: tuple[TaskEntry, ...]
    features: FeatureEntry
    memory: Mapping[str, int]
    instructions: tuple[Instruction, ...]
    labels: tuple[str, ...]
    fetches: tuple[FetchEntry, ...]
    weights: npt.NDArray[np.uint8]
    tail: HostTail | None = None
    together: int = 0

    @property
    def origin(self) -> Provenance:
        """`provenance`, as a record."""
        return Provenance.parse(self.provenance)

    @property
    def untrained(self) -> bool:
        """True if some of the weights are random."""
        return bool(self.origin.untrained)

    @property
    def image_height(self) -> int:
        """Rows of the camera's image."""
        return self.frame.height

    @property
    def image_width(self) -> int:
        """Columns of the camera's image."""
        return self.frame.width

    @property
    def output_bytes(self) -> int:
        """Size of a buffer for the output of any job, at least one that can be allocated."""
        return max(ALIGNMENT, *(self.job_bytes(job) for job in range(self.jobs)))

    @property
    def jobs(self) -> int:
        """How many kinds of job there are: a task each, and all tasks together."""
        return len(self.tasks) + bool(self.together)

    def job_tasks(self, job: int) -> tuple[TaskEntry, ...]:
        """The tasks whose maps a job computes, one behind the other in its output."""
        return self.tasks if job == len(self.tasks) else (self.tasks[job],)

    def job_maps(self, job: int) -> dict[str, slice]:
        """Which bytes of a job's output are the map of which task; between them a few are nobody's."""
        tasks = self.job_tasks(job)
        starts = map_offsets(task.output_bytes for task in tasks)
        return {
            task.name: slice(start, start + task.output_bytes)
            for task, start in zip(tasks, starts, strict=False)
        }

    def job_bytes(self, job: int) -> int:
        """Size of a job's output."""
        return map_offsets(task.output_bytes for task in self.job_tasks(job))[-1]

    def job_macs(self, job: int) -> int:
        """Useful multiply-accumulates of a job."""
        return self.together if job == len(self.tasks) else self.tasks[job].macs

    def job_name(self, job: int) -> str:
        """As `task_index` takes it."""
        return TOGETHER if job == len(self.tasks) else self.tasks[job].name

    @cached_property
    def program(self) -> bytes:
        """The program as it lies in the device's memory: exec instructions, then fetch entries."""
        return b"".join(i.encode().to_bytes(EXEC_BYTES, "little") for i in self.instructions) + b"".join(
            f.encode().to_bytes(FETCH_BYTES, "little") for f in self.fetches
        )

    def task_index(self, name: str) -> int:
        """Number of a task, as jobs carry it, or of all together; BundleTaskError lists the known names."""
        names = [self.job_name(job) for job in range(self.jobs)]
        if name in names:
            return names.index(name)
        hint = ""
        if name == TOGETHER:
            hint = "; it was compiled without a job of all tasks (peritus compile --together)"
        raise BundleTaskError(f"unknown task {name!r}; {self.model} has {', '.join(names)}{hint}")

    def describe(self, index: int) -> str:
        """An instruction by index, for messages: "17 (fc1_0)"."""
        return f"{index} ({self.labels[index]})" if 0 <= index < len(self.labels) else str(index)

    def check_hardware(self, hw: HwConfig) -> None:
        """BundleConfigError unless the bundle was compiled for exactly this configuration."""
        if self.hw.hash64 != hw.hash64:
            raise BundleConfigError(
                f"bundle is compiled for {self.hw.name} ({self.hw.hash64:#018x}), "
                f"the device is {hw.name} ({hw.hash64:#018x}); {COMPILE_AGAIN}"
            )

    def header(self) -> Header:
        """What the file begins with."""
        return Header(
            model=self.model,
            provenance=self.provenance,
            hw=self.hw,
            config_hash=f"{self.hw.hash64:#018x}",
            frame=self.frame,
            tasks=self.tasks,
            features=self.features,
            memory=dict(self.memory),
            labels=self.labels,
            exec=len(self.instructions),
            fetch=len(self.fetches),
            weight_bytes=len(self.weights),
            tail_bytes=len(self.tail.model) if self.tail else 0,
            together=self.together,
        )

    def to_bytes(self) -> bytes:
        """The file's contents; BundleError if they are beyond what a reader would take."""
        try:
            text = self.header().to_json()
        except ValueError as error:
            raise BundleError(f"the bundle of {self.model} cannot be written: {error}") from error
        return self._joined(text.encode())

    def _joined(self, text: bytes) -> bytes:
        program = self.program
        head, tail = bytes(-(_PREFIX.size + len(text)) % ALIGNMENT), bytes(-len(program) % ALIGNMENT)
        parts = [text, head, program, tail, self.weights.tobytes(), self.tail.model if self.tail else b""]
        digest = hashlib.sha256()
        for part in parts:
            digest.update(part)
        size = _PREFIX.size + sum(map(len, parts))
        return b"".join([_PREFIX.pack(MAGIC, VERSION, len(text), size, digest.digest()), *parts])

    def save(self, path: str | Path) -> None:
        """Write the bundle to a file."""
        Path(path).write_bytes(self.to_bytes())

    @classmethod
    def load(cls, path: str | Path) -> Bundle:
        """Read a bundle file; raises as from_bytes, BundleError if there is no such file."""
        if fault := file_fault(path):
            raise BundleError(f"bundle {path} {fault}")
        with Path(path).open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
        if len(data) > MAX_FILE_BYTES:
            raise BundleCorrupted(f"bundle {path} has more than {MAX_FILE_BYTES} bytes")
        return cls.from_bytes(data)

    @classmethod
    def from_bytes(cls, data: bytes) -> Bundle:
        """Parse and check a bundle.

        Raises:
            BundleTruncated, BundleCorrupted, BundleVersionError: each names the value and what was expected.
        """
        if len(data) < _PREFIX.size:
            raise BundleTruncated(f"bundle is truncated: {len(data)} bytes, a header has {_PREFIX.size}")
        magic, version, header_bytes, file_bytes, digest = _PREFIX.unpack_from(data)
        if magic != MAGIC:
            raise BundleCorrupted(f"not a bundle: starts with {magic!r}, expected {MAGIC!r}")
        if version != VERSION:
            raise BundleVersionError(
                f"bundle has version {version}, this program reads {VERSION}; {COMPILE_AGAIN}"
            )
        if len(data) < file_bytes:
            raise BundleTruncated(f"bundle is truncated: {len(data)} bytes, expected {file_bytes}")
        body = memoryview(data)[_PREFIX.size :]
        found = hashlib.sha256(body).digest()
        if found != digest:
            raise BundleCorrupted(
                f"bundle is corrupted: checksum {found.hex()[:16]}, expected {digest.hex()[:16]}"
            )
        try:
            header = Header.parse(str(body[:header_bytes], "utf-8"))
            return cls._parse(header, data, _PREFIX.size + header_bytes)
        except (ConfigError, EncodingError, ValueError) as error:
            raise BundleCorrupted(f"bundle header makes no sense: {error}; {COMPILE_AGAIN}") from error

    @classmethod
    def _parse(cls, header: Header, data: bytes, end: int) -> Bundle:
        hw = header.hw
        if header.config_hash != f"{hw.hash64:#018x}":
            raise BundleVersionError(
                f"bundle has another instruction layout: hash {short(header.config_hash)}, here "
                f"{hw.hash64:#018x}; {COMPILE_AGAIN}"
            )
        start = end + -end % ALIGNMENT
        fetch_start = start + header.exec * EXEC_BYTES
        end = fetch_start + header.fetch * FETCH_BYTES
        weight_start = end + -end % ALIGNMENT
        tail_start = weight_start + header.weight_bytes
        if (size := tail_start + header.tail_bytes) != len(data):
            raise SchemaError(f"contents of {size} bytes in a file of {len(data)}")

        def words(first: int, last: int, size: int) -> Iterator[int]:
            return (int.from_bytes(data[i : i + size], "little") for i in range(first, last, size))

        return cls(
            model=header.model,
            provenance=header.provenance,
            hw=hw,
            frame=header.frame,
            tasks=header.tasks,
            features=header.features,
            memory=header.memory,
            instructions=tuple(Instruction.decode(w) for w in words(start, fetch_start, EXEC_BYTES)),
            labels=header.labels,
            fetches=tuple(FetchEntry.decode(w) for w in words(fetch_start, end, FETCH_BYTES)),
            weights=np.frombuffer(data, np.uint8, header.weight_bytes, weight_start),
            tail=HostTail(data[tail_start:]) if header.tail_bytes else None,
            together=header.together,
        )
