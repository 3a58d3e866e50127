# SPDX-License-Identifier: Apache-2.0
"""The mismatch locator: silent when RTL and reference agree, exact when one of them is made wrong."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from numpy.typing import NDArray

from peritus.arch.config import load_config
from peritus.arch.isa import Opcode
from peritus.arch.memories import Memory
from peritus.bundle import Bundle
from peritus.compiler import compile_model
from peritus.debug.locate import first_difference, lanes_of, locate, recorded
from peritus.ir.random_model import Dims, random_image, random_model
from peritus.runtime.driver.errors import DeviceTimeout
from peritus.runtime.driver.platform import Limit
from peritus.runtime.iss import Trace
from peritus.runtime.iss.device import IssDevice
from peritus.runtime.rtl.device import RtlDevice
from peritus.runtime.writes import WriteRecords

pytestmark = pytest.mark.sim
HW = load_config("nano")
DIMS = Dims(layers=2)
IMAGE = random_image(DIMS, 0)
LIMIT = Limit(seconds=120, cycles=2_000_000)
Written = dict[Memory, WriteRecords]


@dataclass
class Frame:
    """One frame on both sides."""

    bundle: Bundle
    trace: Trace
    written: Written

    def difference(self, **changed: WriteRecords) -> str:
        """str(Mismatch) after some memories' records are replaced; "None" if nothing differs."""
        written = {memory: changed.get(memory.name, self.written[memory]) for memory in Memory}
        return str(first_difference(self.trace, written, self.bundle, HW))


@pytest.fixture(scope="module")
def frame() -> Frame:
    bundle, trace = compile_model(random_model(DIMS), HW), Trace()
    reference = IssDevice(HW)
    reference.load(bundle)
    reference.run_traced(IMAGE, task="task0", features=True, trace=trace)
    with RtlDevice(HW, limit=LIMIT, assertions=True) as device:
        device.load(bundle)
        device.simulation.record_writes()
        device.run(IMAGE, task="task0", features=True)
        return Frame(bundle, trace, recorded(device.simulation))


def test_every_write_of_the_rtl_equals_the_reference(frame: Frame) -> None:
    assert frame.difference() == "None"
    for memory in Memory:
        assert len(frame.written[memory]) == sum(len(r) for r in frame.trace.of(memory)) > 0


@pytest.mark.parametrize("memory", Memory)
def test_a_wrong_value_is_named_exactly(frame: Frame, memory: Memory) -> None:
    records = frame.trace.of(memory)
    record = records[len(records) // 2]
    inside = len(record) * 2 // 3
    lane = int(record.first_lane[inside] + record.lanes[inside] - 1)
    position = sum(len(r) for r in records[: len(records) // 2]) + inside
    was = frame.written[memory]
    data = was.data.copy()
    bit = lane * memory.lane_bits
    data[position, bit // 8] ^= 1 << bit % 8
    text = frame.difference(**{memory.name: replace(was, data=data)})
    value = int(record.data[inside, lane])
    instruction = frame.bundle.instructions[record.instruction]
    channel = int(record.word[inside]) * HW.pn + lane
    assert text.startswith(
        f"instruction {frame.bundle.describe(record.instruction)}, {memory.value} memory, "
    )
    assert f"word {record.word[inside]}, " in text
    assert f"channel {channel}: wrong value: expected {value}, found {value ^ 1} (cycle" in text
    if not instruction.scatter:
        assert f"token {record.row[inside]}, " in text


def take(records: WriteRecords, order: NDArray[np.int64]) -> WriteRecords:
    """The writes of these numbers."""
    return WriteRecords(
        records.cycle[order], records.address[order], records.enable[order], records.data[order]
    )


def test_other_differences(frame: Frame) -> None:
    was = frame.written[Memory.ACT]
    order = np.arange(len(was))
    shifted = replace(was, address=was.address + (order == len(was) // 2))
    assert "wrong address: expected" in frame.difference(ACT=shifted)
    assert "never written" in frame.difference(ACT=take(was, order[:-1]))
    assert "never written" in frame.difference(ACT=take(was, order[:0]))
    assert "more writes than expected" in frame.difference(ACT=take(was, np.append(order, order[-1])))


def test_wrong_lanes_of_the_image(frame: Frame) -> None:
    was = frame.written[Memory.ACT]
    text = frame.difference(ACT=replace(was, enable=was.enable ^ np.uint64(1)))
    assert "wrong number of lanes" in text
    assert f"instruction {frame.bundle.describe(0)}" in text


def test_the_earliest_instruction_is_named(frame: Frame) -> None:
    """One wrong table entry: the first of all the differences that follow from it is found."""
    index = next(i for i, step in enumerate(frame.bundle.instructions) if step.opcode is Opcode.RES_INIT)
    segment = frame.bundle.fetches[0]
    weights = frame.bundle.weights.copy()
    words = frame.bundle.instructions[index].n_tiles
    token, channel = 1, HW.pn * words // 2 + 3
    weights[segment.offset * HW.stripe_bytes + (token * words * HW.pn + channel) * 2] ^= 0x40
    trace, reference = Trace(), IssDevice(HW)
    reference.load(replace(frame.bundle, weights=weights))
    reference.run_traced(IMAGE, task="task0", features=True, trace=trace)
    found = first_difference(trace, frame.written, frame.bundle, HW)
    assert found is not None
    assert (found.instruction, found.memory) == (index, Memory.RESIDUAL)
    assert (found.word, found.token, found.channel) == (channel // HW.pn, token, channel)


def test_locate_runs_both_sides() -> None:
    bundle = compile_model(random_model(DIMS), HW)
    assert locate(bundle, HW, IMAGE, task="task1", features=True, limit=LIMIT, assertions=True) is None


def test_locate_says_where_a_hanging_device_stopped(frame: Frame) -> None:
    short = Limit(seconds=60, cycles=5000)
    found = locate(frame.bundle, HW, IMAGE, task="task0", limit=short, assertions=True)
    assert found is not None
    assert found.what == "never written"
    assert found.instruction is not None
    assert 1 < found.instruction < len(frame.bundle.instructions) - 1


def test_locate_raises_the_error_of_a_device_that_agreed(frame: Frame) -> None:
    with RtlDevice(HW, limit=LIMIT, assertions=True) as device:
        device.load(frame.bundle)
        cycles = device.run(IMAGE, task="task0").perf.cycles
    assert cycles is not None
    with pytest.raises(DeviceTimeout):  # in the last instruction, the store
        locate(frame.bundle, HW, IMAGE, task="task0", limit=Limit(60, cycles - 30), assertions=True)


def test_lanes_of_packed_words() -> None:
    rng = np.random.default_rng(0)
    for bits in (8, 16, 20):
        values = rng.integers(-(1 << bits - 1), 1 << bits - 1, (5, 8))
        values[0, :2] = -(1 << bits - 1), (1 << bits - 1) - 1
        packed = [sum((int(v) & (1 << bits) - 1) << i * bits for i, v in enumerate(row)) for row in values]
        raw: NDArray[np.uint8] = np.frombuffer(
            b"".join(word.to_bytes(bits, "little") for word in packed), np.uint8
        ).reshape(5, bits)
        np.testing.assert_array_equal(lanes_of(raw, bits, 8), values)
