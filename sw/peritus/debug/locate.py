# SPDX-License-Identifier: Apache-2.0
"""Finds where the simulated RTL or the HLS twin first differs from the reference.

By instruction, output word, token and channel.

Both sides record every write into the on-chip memories. Writes of one memory happen in program order on both,
so the two sequences are compared position by position; the earliest instruction that differs is the answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from peritus.arch.config import HwConfig
from peritus.arch.isa import Opcode
from peritus.arch.memories import Memory
from peritus.bundle import Bundle
from peritus.runtime.errors import DeviceError
from peritus.runtime.hls.device import HlsDevice
from peritus.runtime.iss import Trace, WriteRecord
from peritus.runtime.iss.device import IssDevice
from peritus.runtime.rtl.device import RtlDevice
from peritus.runtime.writes import WriteRecords


@dataclass(frozen=True)
class Mismatch:
    """The first difference.

    instruction: index in the program; text: its name. memory: None if all memories agree and only the stored
    result differs. word: output word (tile column nb). token: that the row belongs to. channel: of the
    instruction's result. what: the kind of difference. cycle: of the device's write, None if it never came,
    0 of a device without a clock.
    """

    instruction: int | None
    text: str
    memory: Memory | None
    word: int
    token: int
    channel: int
    expected: int | None
    found: int | None
    what: str
    cycle: int | None

    def __str__(self) -> str:
        where = "result" if self.memory is None else f"{self.memory.value} memory"
        values = "" if self.expected is None else f": expected {self.expected}, found {self.found}"
        when = "" if self.cycle is None else f" (cycle {self.cycle})"
        place = f"word {self.word}, token {self.token}, channel {self.channel}"
        return f"instruction {self.text}, {where}, {place}: {self.what}{values}{when}"


def locate(
    bundle: Bundle,
    hw: HwConfig,
    image: NDArray[np.uint8],
    *,
    task: str,
    features: bool = False,
    device: type[RtlDevice] | type[HlsDevice] = RtlDevice,
    **options: Any,
) -> Mismatch | None:
    """Run one frame on the reference and on another device, both recorded; None if nothing differs.

    A device that fails on the way (time-out, guard) is compared up to there. options: of the device.

    Raises:
        DeviceError: the device failed, and agreed with the reference until then.
    """
    reference, trace = IssDevice(hw), Trace()
    reference.load(bundle)
    expected = reference.run_traced(image, task=task, features=features, trace=trace)
    with device(hw, **options) as opened:
        opened.load(bundle)
        recorder: Recorder = opened if isinstance(opened, HlsDevice) else opened.simulation
        recorder.record_writes()
        failure: DeviceError | None = None
        try:
            found = opened.run(image, task=task, features=features)
        except DeviceError as error:
            failure = error
        difference = first_difference(trace, recorded(recorder), bundle, hw)
    if difference is not None:
        return difference
    if failure is not None:
        raise failure
    for name, values in expected.outputs.items():  # none where the host computes the map
        if (difference := _result_difference(values, found.outputs[name], "result")) is not None:
            return difference
    return (
        _result_difference(expected.raw_features, found.raw_features, "features")
        if expected.raw_features is not None and found.raw_features is not None
        else None
    )


class Recorder(Protocol):
    """What records its writes: a simulation of the RTL, the device `hls`."""

    def record_writes(self) -> None:
        """Start, forgetting earlier records."""

    def written(self, memory: int) -> WriteRecords:
        """Those of a memory, by its number."""
        ...


def recorded(recorder: Recorder) -> dict[Memory, WriteRecords]:
    """What has been recorded since record_writes()."""
    return {memory: recorder.written(memory.monitor) for memory in Memory}


def first_difference(
    trace: Trace, written: Mapping[Memory, WriteRecords], bundle: Bundle, hw: HwConfig
) -> Mismatch | None:
    """The earliest difference between the reference's writes and another device's, over all memories."""
    found = [
        difference
        for memory in Memory
        if (difference := _memory_difference(memory, trace.of(memory), written[memory], bundle, hw))
    ]
    # A write that never comes has no cycle: what came and is wrong goes first.
    return min(found, key=lambda d: (_order(d.instruction), d.cycle is None, d.cycle or 0), default=None)


def _order(instruction: int | None) -> float:
    return float("inf") if instruction is None else instruction


def lanes_of(data: NDArray[np.uint8], bits: int, lanes: int) -> NDArray[np.int32]:
    """Signed integers [n, lanes] from words of packed lanes, lane 0 in the low bits: uint8 [n, bytes]."""
    if bits in (8, 16):
        size = lanes * bits // 8
        return np.ascontiguousarray(data[:, :size]).view(f"<i{bits // 8}").astype(np.int32)
    unpacked = np.unpackbits(data, axis=1, count=lanes * bits, bitorder="little").reshape(-1, lanes, bits)
    weights = 1 << np.arange(bits, dtype=np.int32)
    weights[-1] = -weights[-1]
    values: NDArray[np.int32] = unpacked.astype(np.int32) @ weights
    return values


@dataclass(frozen=True)
class _Difference:
    """Between write number `position` of both sides, at `lane`."""

    position: int
    lane: int
    what: str
    expected: int
    found: int


def _memory_difference(
    memory: Memory, records: list[WriteRecord], written: WriteRecords, bundle: Bundle, hw: HwConfig
) -> Mismatch | None:
    count = sum(len(record) for record in records)
    common = min(count, len(written))
    if common and (difference := _compare(_concatenate(records), written, common, hw)):
        cycle = int(written.cycle[difference.position])
        return _name(difference, records, cycle, bundle, hw)
    if count > common:
        missing = _Difference(common, int(_concatenate(records).first_lane[common]), "never written", 0, 0)
        return replace(_name(missing, records, None, bundle, hw), expected=None, found=None)
    if len(written) > common:
        cycle = int(written.cycle[common])
        return Mismatch(None, "(none)", memory, 0, 0, 0, None, None, "more writes than expected", cycle)
    return None


def _compare(record: WriteRecord, written: WriteRecords, count: int, hw: HwConfig) -> _Difference | None:
    """The first difference among the first `count` writes of both sides."""
    lane = np.arange(hw.pn)
    first, end = record.first_lane[:count, None], (record.first_lane + record.lanes)[:count, None]
    used = (lane >= first) & (lane < end)
    # Only the activation memory has enables; elsewhere whole words are written, some lanes undefined.
    enabled = _enabled(written.enable[:count], hw) if record.memory is Memory.ACT else used
    data = lanes_of(written.data[:count], record.memory.lane_bits, hw.pn)
    wrong_address = record.address[:count] != written.address[:count]
    wrong_lanes = (enabled != used).any(axis=1)
    wrong_value = (data != record.data[:count]) & used
    wrong = wrong_address | wrong_lanes | wrong_value.any(axis=1)
    if not wrong.any():
        return None
    at = int(wrong.argmax())
    low = int(record.first_lane[at])
    if wrong_address[at]:
        return _Difference(at, low, "wrong address", int(record.address[at]), int(written.address[at]))
    if wrong_lanes[at]:
        return _Difference(at, low, "wrong number of lanes", int(used[at].sum()), int(enabled[at].sum()))
    where = int(wrong_value[at].argmax())
    return _Difference(at, where, "wrong value", int(record.data[at, where]), int(data[at, where]))


def _concatenate(records: list[WriteRecord]) -> WriteRecord:
    def all_of(name: str) -> NDArray[Any]:
        return np.concatenate([getattr(record, name) for record in records])

    first = records[0]
    fields = ("address", "data", "first_lane", "lanes", "row", "word")
    return WriteRecord(first.instruction, first.memory, **{name: all_of(name) for name in fields})


def _enabled(enable: NDArray[np.uint64], hw: HwConfig) -> NDArray[np.bool_]:
    """Lanes [n, pn] of an activation word that a write enables, one bit for each part of the word."""
    part = min(hw.axi_data_bytes, hw.pk)
    bits = (enable[:, None] >> np.arange(hw.pn // part, dtype=np.uint64)) & np.uint64(1)
    return np.repeat(bits.astype(bool), part, axis=1)


def _name(
    difference: _Difference, records: list[WriteRecord], cycle: int | None, bundle: Bundle, hw: HwConfig
) -> Mismatch:
    """What the difference is called in the program."""
    position = difference.position
    for record in records:
        if position < len(record):
            break
        position -= len(record)
    instruction = bundle.instructions[record.instruction]
    word, token = int(record.word[position]), int(record.row[position])
    channel = word * hw.pn + difference.lane
    if instruction.opcode is Opcode.LOAD_IMAGE:
        channel = word * hw.axi_data_bytes + difference.lane - int(record.first_lane[position])
    elif instruction.scatter:
        address = int(record.address[position]) - instruction.dst_base - word
        token = address // instruction.dst_stride
    return Mismatch(
        record.instruction,
        bundle.describe(record.instruction),
        record.memory,
        word,
        token,
        channel,
        difference.expected,
        difference.found,
        difference.what,
        cycle,
    )


def _result_difference(expected: NDArray[np.int16], found: NDArray[np.int16], what: str) -> Mismatch | None:
    """All memories agree: only a STORE can be at fault. token: row-major position in the map."""
    wrong = np.argwhere((expected != found).reshape(-1, expected.shape[-1]))
    if not len(wrong):
        return None
    token, channel = (int(i) for i in wrong[0])
    values = [int(side.reshape(-1, side.shape[-1])[token, channel]) for side in (expected, found)]
    return Mismatch(None, "STORE", None, 0, token, channel, values[0], values[1], f"wrong {what}", None)
