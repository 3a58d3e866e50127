# SPDX-License-Identifier: Apache-2.0
"""The JSON at the beginning of a bundle: every field with its type and limits, and what fits what.

Written through the same records as read: what `peritus compile` writes, every device takes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from peritus.arch.config import HwConfig
from peritus.arch.isa import FETCH_FIELDS, MAX_TASKS
from peritus.arch.memories import ADDRESSED
from peritus.bundle.frame import FrameLayout
from peritus.schema import CLOSED, Count, Extent, Flag, Name, Scale, Text, checked, read_json
from peritus.tasks import TaskKind

TOGETHER = "together"  # names the job of all tasks
# Bytes: where a buffer, a map in it and a part of the file begin. The RTL lets no burst begin elsewhere.
ALIGNMENT = 64
MAX_BUFFER_BYTES = 1 << 28  # of a frame, of the features, of a task's map
_MAX_STRIPES = 1 << next(field.bits for field in FETCH_FIELDS if field.name == "offset")


def _need(ok: bool, message: str) -> None:
    if not ok:
        raise ValueError(message)


def map_offsets(sizes: Iterable[int]) -> tuple[int, ...]:
    """Where the maps of a job begin in its output, at multiples of ALIGNMENT; then, where the last ends."""
    offsets, end = [], 0
    for size in sizes:
        offsets.append(end + -end % ALIGNMENT)
        end = offsets[-1] + size
    return (*offsets, end)


@dataclass(frozen=True)
class TaskEntry:
    """One task of the bundle.

    rows, columns, channels: of the map. padded_channels: as stored; the output buffer is int16 [rows,
    columns, padded_channels]. scale: real value of one LSB. kind: see peritus.tasks. classes: names, one
    per channel, or empty. macs: useful multiply-accumulates of one job. host: the device computes the
    features only, and the host float32 [rows, columns, channels] of them (peritus.tail).
    """

    __pydantic_config__ = CLOSED
    name: Name
    kind: TaskKind
    classes: tuple[Name, ...]
    rows: Extent
    columns: Extent
    channels: Extent
    padded_channels: Extent
    scale: Scale
    macs: Count
    host: Flag = False

    def __post_init__(self) -> None:
        names, channels, size = len(self.classes), self.channels, self.output_bytes
        _need(names in (0, channels), f"{names} class names for {channels} channels")
        _need(self.host or self.padded_channels >= channels, f"padded_channels below {channels} channels")
        _need(size <= MAX_BUFFER_BYTES, f"a map of {size} bytes, limit {MAX_BUFFER_BYTES}")

    @property
    def output_bytes(self) -> int:
        """Size of what the device writes."""
        return 0 if self.host else self.rows * self.columns * self.padded_channels * 2


@dataclass(frozen=True)
class FeatureEntry:
    """The feature buffer: int16 [tokens, padded_channels], of which `channels` count; scale of one LSB."""

    __pydantic_config__ = CLOSED
    tokens: Extent
    channels: Extent
    padded_channels: Extent
    scale: Scale

    def __post_init__(self) -> None:
        size = self.output_bytes
        _need(self.padded_channels >= self.channels, f"padded_channels below {self.channels} channels")
        _need(size <= MAX_BUFFER_BYTES, f"features of {size} bytes, limit {MAX_BUFFER_BYTES}")

    @property
    def output_bytes(self) -> int:
        """Size of the feature buffer."""
        return self.tokens * self.padded_channels * 2


@dataclass(frozen=True)
class Header:
    """The fields of the JSON; of a Bundle's fields those that are no bytes, and the sizes of those that are.

    exec, fetch: instructions and fetch entries. together: useful multiply-accumulates of the job of all
    tasks; 0: there is none.
    """

    __pydantic_config__ = CLOSED
    model: Name
    provenance: Text
    hw: HwConfig
    config_hash: Name
    frame: FrameLayout
    tasks: tuple[TaskEntry, ...]
    features: FeatureEntry
    memory: dict[Name, Count]
    labels: tuple[Text, ...]
    exec: Count
    fetch: Count
    weight_bytes: Count
    tail_bytes: Count
    together: Count = 0

    def __post_init__(self) -> None:
        hw, names = self.hw, [task.name for task in self.tasks]
        _need(1 <= len(names) <= MAX_TASKS, f"{len(names)} tasks, must be 1..{MAX_TASKS}")
        _need(len(set(names)) == len(names), f"task names {names} are not distinct")
        if self.together:
            _need(1 < len(names) < MAX_TASKS, f"{len(names)} tasks together, must be 2..{MAX_TASKS - 1}")
            _need(TOGETHER not in names, f"{TOGETHER!r} is no name of a task")
            _need(not any(task.host for task in self.tasks), "a task of the host in a job of all tasks")
            size = map_offsets(task.output_bytes for task in self.tasks)[-1]
            _need(size <= MAX_BUFFER_BYTES, f"maps of {size} bytes, limit {MAX_BUFFER_BYTES}")
        size, pitch = self.frame.bytes, self.frame.pitch
        _need(size <= MAX_BUFFER_BYTES, f"a frame of {size} bytes, limit {MAX_BUFFER_BYTES}")
        _need(pitch % hw.axi_data_bytes == 0, f"pitch of {pitch} bytes, no whole beats")
        _need(1 <= self.exec <= hw.program_depth, f"exec = {self.exec}, must be 1..{hw.program_depth}")
        _need(self.fetch <= hw.fetch_depth, f"fetch = {self.fetch}, limit {hw.fetch_depth}")
        _need(len(self.labels) == self.exec, f"{len(self.labels)} labels for {self.exec} instructions")
        stripes, rest = divmod(self.weight_bytes, hw.stripe_bytes)
        _need(rest == 0, f"weight_bytes = {self.weight_bytes}, no whole stripes of {hw.stripe_bytes}")
        _need(stripes <= _MAX_STRIPES, f"{stripes} stripes of weights, limit {_MAX_STRIPES}")
        sizes = {memory.size: memory.words(hw) for memory in ADDRESSED}
        _need(set(self.memory) == set(sizes), f"memory of {sorted(self.memory)}, must be {list(sizes)}")
        for name, words in self.memory.items():
            _need(words <= sizes[name], f"memory: {name} = {words}, limit {sizes[name]}")
        hosted = any(task.host for task in self.tasks)
        _need(not hosted or self.tail_bytes > 0, "a task of the host without the part that computes it")

    @classmethod
    def parse(cls, text: str) -> Header:
        """Of a bundle's JSON. SchemaError, ConfigError: a field breaks its type or limit; names them."""
        return checked(cls, read_json(text))

    def to_json(self) -> str:
        """The JSON, of fields that `parse` takes; raises as that."""
        text = json.dumps(asdict(self), sort_keys=True)
        Header.parse(text)
        return text
