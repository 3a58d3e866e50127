# SPDX-License-Identifier: Apache-2.0
"""peritus_top with the bench as its core: registers, jobs, every transfer over AXI, errors and recovery."""

import random
from dataclasses import dataclass
from typing import Any

import cocotb
import numpy as np
from cocotb.task import Task
from cocotb.triggers import ClockCycles
from cocotb.utils import get_sim_time
from cocotbext.axi import AxiResp

from peritus.arch import registers as reg
from peritus.arch.isa import FetchEntry, Instruction, Opcode
from peritus.arch.registers import ErrorCause, Offset
from peritus.reference.arithmetic import saturate
from peritus.reference.patch_embed import image_patches
from peritus.reference.pixel_shuffle import pixel_shuffle
from tests.rtl.benches.device import Device, Stopped

PROGRAM, WEIGHTS, IMAGE, OUTPUT, FEATURES = 0x1000, 0x8000, 0x2_8000, 0x3_0000, 0x3_8000
TASK = 3
PATCH = 16


@dataclass
class Window:
    """A guard window's first register, the error it raises, and what it must allow."""

    register: Offset
    cause: ErrorCause
    base: int
    limit: int


class Job:
    """Program, weights, image and expected results of a random job."""

    def __init__(self, device: Device) -> None:
        self.device = device
        self.seq = random.getrandbits(32)
        self.cold = False
        self.drops = 0.3  # share of segments dropped
        rng = np.random.default_rng(random.getrandbits(32))
        stripe = device.stripe_bytes
        self.image = rng.integers(0, 256, (PATCH, 2 * PATCH, 3), np.uint8)
        self.entries = [
            FetchEntry(
                random.randrange(40),
                random.randint(1, 8),
                random.choice([0xFFFF, 1 << TASK, 1]),
                1,
                0,
                first_of_gate=1,
            )
            for _ in range(10)
        ]
        self.weights = rng.integers(0, 256, 64 * stripe, np.uint8).tobytes()
        lanes = device.beat // 2
        self.scale, self.classes = 4, max(2, lanes // 4) * 2
        self.words = -(-(self.scale**2) * self.classes // device.pn)
        self.patch_words = PATCH * PATCH * 3 // device.pn
        self.load = Instruction(
            Opcode.LOAD_IMAGE,
            keys=1,
            k_tiles=PATCH,
            tokens=2,
            n_tiles=PATCH * 3 // device.beat,
            dst_base=random.randrange(16),
            dst_stride=self.patch_words,
        )
        self.store = Instruction(
            Opcode.STORE,
            keys=1,
            k_tiles=self.scale,
            tokens=2,
            n_tiles=self.scale * self.classes // lanes,
            src_base=random.randrange(8),
            src_stride=self.words,
            imm=64 * random.randrange(4),
        )
        self.store_features = Instruction(
            Opcode.STORE,
            features_only=1,
            keys=1,
            k_tiles=1,
            tokens=3,
            n_tiles=2 * device.pn // device.beat,
            src_stride=1,
        )
        self.program = [self.load, self.store, self.store_features, Instruction(Opcode.END)]
        self.residual = rng.integers(-(1 << 17), 1 << 17, device.core.residual.shape)

    @property
    def program_image(self) -> bytes:
        text = b"".join(i.encode().to_bytes(32, "little") for i in self.program)
        text += b"".join(e.encode().to_bytes(8, "little") for e in self.entries)
        return text + bytes(-len(text) % self.device.beat)

    @property
    def output(self) -> bytes:
        """Expected bytes at OUTPUT + imm."""
        rows = self.residual[self.store.src_base :][: 2 * self.words].reshape(2, -1)
        logits = saturate(rows[:, : self.scale**2 * self.classes], 16)
        return pixel_shuffle(logits, 1, 2, self.scale).astype(np.int16).tobytes()

    @property
    def features(self) -> bytes:
        return saturate(self.residual[:3], 16).astype(np.int16).tobytes()

    def windows(self) -> list[Window]:
        """Exactly what the job may touch."""
        stripe = self.device.stripe_bytes
        mine = [e for e in self.entries if e.task_mask >> TASK & 1]
        first = min(e.offset for e in mine) * stripe
        last = max(e.offset + e.stripes for e in mine) * stripe
        out = OUTPUT + self.store.imm
        w = Window
        return [
            w(
                Offset.GUARD_PROGRAM_BASE_LO,
                ErrorCause.GUARD_PROGRAM,
                PROGRAM,
                PROGRAM + len(self.program_image),
            ),
            w(Offset.GUARD_WEIGHTS_BASE_LO, ErrorCause.GUARD_WEIGHTS, WEIGHTS + first, WEIGHTS + last),
            w(Offset.GUARD_IMAGE_BASE_LO, ErrorCause.GUARD_IMAGE, IMAGE, IMAGE + self.image.size),
            w(Offset.GUARD_OUTPUT_BASE_LO, ErrorCause.GUARD_OUTPUT, out, out + len(self.output)),
            w(
                Offset.GUARD_FEATURES_BASE_LO,
                ErrorCause.GUARD_FEATURES,
                FEATURES,
                FEATURES + len(self.features),
            ),
        ]

    async def prepare(self) -> None:
        """Fill memory and set the configuration registers."""
        device, memory = self.device, self.device.memory.content
        for base, content in (
            (PROGRAM, self.program_image),
            (WEIGHTS, self.weights),
            (IMAGE, self.image.tobytes()),
        ):
            memory[base : base + len(content)] = content
        await device.write_wide(Offset.PROGRAM_ADDR_LO, PROGRAM)
        await device.write(Offset.PROGRAM_EXEC, len(self.program))
        await device.write(Offset.PROGRAM_FETCH, len(self.entries))
        await device.write_wide(Offset.WEIGHT_BASE_LO, WEIGHTS)
        for window in self.windows():
            await device.write_wide(window.register, window.base)
            await device.write_wide(Offset(window.register + 8), window.limit)

    async def load_program(self) -> None:
        await self.device.write(Offset.CONTROL, reg.CONTROL_LOAD_PROGRAM.mask)
        await self.device.poll(Offset.STATUS, reg.STATUS_PROGRAM_LOADED, 1)
        self.cold = True  # until a job has begun

    async def submit(self, features: int) -> None:
        d = self.device
        await d.write_wide(Offset.JOB_IMAGE_LO, IMAGE)
        await d.write_wide(Offset.JOB_OUTPUT_LO, OUTPUT)
        await d.write_wide(Offset.JOB_FEATURES_LO, FEATURES)
        await d.write(Offset.JOB_TASK, TASK)
        await d.write(Offset.JOB_FLAGS, features)
        await d.write(Offset.JOB_SEQ, self.seq)
        await d.write(Offset.JOB_SUBMIT, 1)

    async def _weights(self) -> bool:
        """Consume or drop every segment of the task; False if the device stopped meanwhile."""
        try:
            await self._segments()
        except Stopped:
            return False
        return True

    async def _segments(self) -> None:
        core, stripe = self.device.core, self.device.stripe_bytes
        mine = [entry for entry in self.entries if entry.task_mask >> TASK & 1]
        for gate, entry in enumerate(mine, 1):  # each is the only expert of a gate
            core.gate(gate)
            if random.random() < self.drops:
                await ClockCycles(self.device.dut.aclk, random.choice([1, 30, 300]))
                await core.find_idle()
                await core.drop(entry.stripes)
                continue
            found = await core.consume(entry.stripes * stripe // (2 * self.device.pn))
            begin = entry.offset * stripe
            assert found == self.weights[begin : begin + entry.stripes * stripe], "weights differ"

    async def play_core(self, features: int) -> None:
        """Do what the core would do for this job, checking all it sees."""
        core = self.device.core
        core.residual = self.residual
        core.act[:] = 55
        job = await core.accept()
        assert job == {
            "image": IMAGE,
            "out": OUTPUT,
            "features": FEATURES,
            "task": TASK,
            "cold": self.cold,
            "features_en": features,
            "seq": self.seq,
        }
        self.cold = False
        for index, instruction in enumerate(self.program):
            assert await core.read_program(index) == instruction.encode()
        weights = cocotb.start_soon(self._weights())
        try:
            await core.load_image(self.load)
            expected = np.full_like(core.act, 55)
            for token, vector in enumerate(image_patches(self.image, PATCH)):
                first = self.load.dst_base + token * self.patch_words
                expected[first : first + self.patch_words] = vector.reshape(-1, self.device.pn)
            np.testing.assert_array_equal(core.act, expected)
            if not await weights:
                raise Stopped
        finally:
            weights.cancel()
        await core.store(self.store)
        if features:
            await core.store(self.store_features)
        await core.done(self.seq)

    def check_memory(self, features: int) -> None:
        """Results are in place, and not one byte more was written."""
        memory, out = self.device.memory, OUTPUT + self.store.imm
        assert memory.content[out : out + len(self.output)] == self.output
        expected = set(range(out, out + len(self.output)))
        if features:
            assert memory.content[FEATURES : FEATURES + len(self.features)] == self.features
            expected |= set(range(FEATURES, FEATURES + len(self.features)))
        assert memory.written == expected


async def ready(dut: Any, *stalls: float) -> Device:
    device = Device(dut)
    await device.start()
    device.stall(*(stalls or (0.0,)))
    return device


async def run(device: Device, job: Job, features: int) -> None:
    """The job, from submission to its done interrupt."""
    device.memory.written.clear()
    core = cocotb.start_soon(job.play_core(features))
    await job.submit(features)
    await core
    await device.poll(Offset.STATUS, reg.STATUS_BUSY, 0)
    job.check_memory(features)
    assert await device.read(Offset.DONE_SEQ) == job.seq
    assert await device.field(Offset.IRQ_STATUS, reg.IRQ_STATUS_DONE) == 1
    assert await device.field(Offset.STATUS, reg.STATUS_ERROR) == 0
    await device.write(Offset.IRQ_STATUS, reg.IRQ_STATUS_DONE.mask)
    assert await device.field(Offset.IRQ_STATUS, reg.IRQ_STATUS_DONE) == 0


async def reset(device: Device, core: Task[None] | None = None) -> None:
    """Soft reset, also of the bench's core if it is at work; all must be as after power-up."""
    await device.write(Offset.CONTROL, reg.CONTROL_SOFT_RESET.mask)
    if core:
        core.cancel()
    device.core.quiet()
    await device.poll(Offset.STATUS, reg.STATUS_RESETTING, 0)
    assert await device.read(Offset.STATUS) == 0
    assert await device.read(Offset.IRQ_STATUS) == 0
    assert await device.read(Offset.ERROR_CAUSE) == 0


@cocotb.test()
async def identity_and_registers(dut: Any) -> None:
    device = await ready(dut)
    assert await device.read(Offset.ID) == reg.ID_VALUE
    assert await device.read(Offset.ABI_VERSION) == int(cocotb.plusargs["abi"])
    assert await device.read_wide(Offset.CONFIG_HASH_LO) == int(cocotb.plusargs["hash"], 16)
    fixed = ["ID", "CONTROL", "STATUS", "IRQ_STATUS", "JOB_SUBMIT"]
    writable = [
        o for o in Offset if o.name.startswith(("PROGRAM", "WEIGHT", "JOB", "GUARD")) and o.name not in fixed
    ]
    widths = {"HI": 8, "PROGRAM_EXEC": 16, "PROGRAM_FETCH": 16, "JOB_TASK": 4, "JOB_FLAGS": 1}
    values = {o: random.getrandbits(32) for o in writable}
    for offset, value in values.items():
        await device.write(offset, value)
    for offset, value in values.items():
        width = widths.get(offset.name, widths.get(offset.name[-2:], 32))
        assert await device.read(offset) == value & ((1 << width) - 1), offset.name
    # Registers are written whole
    refused = await device.registers.write(Offset.JOB_SEQ + 1, b"\xab")
    assert refused.resp == AxiResp.SLVERR
    assert await device.read(Offset.JOB_SEQ) == values[Offset.JOB_SEQ]
    # Read-only registers and holes do not change, and do not answer with an error
    for offset in (Offset.ID, Offset.STATUS, Offset.CYCLES_LO, Offset.ERROR_CAUSE):
        before = await device.read(offset)
        await device.write(offset, 0xFFFF_FFFF)
        assert await device.read(offset) == before
    assert int(await device.registers.read_dword(0xFF0)) == 0
    # A soft reset keeps the configuration
    await reset(device)
    assert await device.read(Offset.GUARD_IMAGE_BASE_LO) == values[Offset.GUARD_IMAGE_BASE_LO]


@cocotb.test()
async def jobs(dut: Any) -> None:
    """Whole jobs under random stalls on every channel, with and without features."""
    device = await ready(dut)
    await device.write(Offset.IRQ_ENABLE, reg.IRQ_ENABLE_DONE.mask)
    for count, stalls in enumerate([(0.0,), (0.0, 0.5), (0.3, 0.8), (0.6,)]):
        device.stall(*stalls)
        device.core.stall = random.choice([0.0, 0.3, 0.8])
        job = Job(device)
        await job.prepare()
        await job.load_program()
        await run(device, job, features=count & 1)
        assert await device.read(Offset.DONE_COUNT) == count + 1


@cocotb.test()
async def counters(dut: Any) -> None:
    device = await ready(dut, 0.2)
    job = Job(device)
    await job.prepare()
    await job.load_program()
    for features in (0, 1):
        await run(device, job, features)
        results = len(job.output) + features * len(job.features)
        assert await device.read(Offset.WR_BYTES) == results
        read = [await device.read(Offset(Offset.RD_BYTES_0 + 4 * p)) for p in range(4)]
        assert read[device.ports :] == [0] * (4 - device.ports)
        mine = [e for e in job.entries if e.task_mask >> TASK & 1]
        most = job.image.size + sum(e.stripes for e in mine) * device.stripe_bytes
        assert job.image.size <= sum(read) <= most  # drops may save some
        assert await device.read_wide(Offset.CYCLES_LO) > results // device.beat


@cocotb.test()
async def next_job_behind_a_result(dut: Any) -> None:
    """A job begins while a result is written: it is warm, and its counters start at the other's end."""
    device = await ready(dut, 0.2)
    core, job = device.core, Job(device)
    job.drops = 0.0
    await job.prepare()
    await job.load_program()
    core.residual = job.residual
    for seq in (5, 6, 7):
        job.seq = seq
        await job.submit(0)
        if seq == 5:
            assert (await core.accept())["cold"] == 1
    await core.cycle()  # the core drives its ports at the falling edge
    assert await job._weights()
    await core.load_image(job.load)
    for seq in (6, 7):
        await core.begin_store(job.store)
        stored = cocotb.start_soon(core.stored())
        begun = await core.accept()
        assert (begun["seq"], begun["cold"]) == (seq, 0)
        assert await device.field(Offset.STATUS, reg.STATUS_QUEUE_LEVEL) == 7 - seq
        await core.cycle()
        await core.load_image(job.load)
        await stored
        await core.cycle()
        done = get_sim_time("step")
        await core.done(seq - 1)
        assert await device.read(Offset.DONE_SEQ) == seq - 1
        assert await device.field(Offset.STATUS, reg.STATUS_BUSY) == 1
        job.check_memory(0)
        device.memory.written.clear()
        await core.cycle()
        assert await job._weights()
    await core.store(job.store)
    before = get_sim_time("step")
    await core.cycle()
    now = get_sim_time("step")
    cycles = (now - done) // (now - before)
    await core.done(7)
    await ClockCycles(dut.aclk, 3)
    assert await device.read_wide(Offset.CYCLES_LO) == cycles
    assert await device.read(Offset.WR_BYTES) == len(job.output)
    assert await device.read(Offset.DONE_COUNT) == 3
    assert await device.field(Offset.STATUS, reg.STATUS_BUSY) == 0
    job.check_memory(0)


@cocotb.test()
async def queue_and_interrupt(dut: Any) -> None:
    device = await ready(dut)
    job = Job(device)
    await job.prepare()
    await job.submit(0)  # nothing is loaded yet
    assert await device.read(Offset.IRQ_STATUS) == reg.IRQ_STATUS_REFUSED.mask
    await device.write(Offset.IRQ_STATUS, 0xF)
    await job.load_program()
    assert await device.read(Offset.IRQ_STATUS) == reg.IRQ_STATUS_PROGRAM_LOADED.mask
    assert not dut.irq_o.value
    await device.write(Offset.IRQ_ENABLE, 0xF)
    await ClockCycles(dut.aclk, 2)
    assert dut.irq_o.value
    await device.write(Offset.IRQ_STATUS, 0xF)
    await ClockCycles(dut.aclk, 2)
    assert not dut.irq_o.value
    for level in (1, 2, 2):
        assert await device.field(Offset.IRQ_STATUS, reg.IRQ_STATUS_REFUSED) == 0
        await job.submit(0)
        assert await device.field(Offset.STATUS, reg.STATUS_QUEUE_LEVEL) == level
    assert await device.field(Offset.IRQ_STATUS, reg.IRQ_STATUS_REFUSED) == 1
    await device.write(Offset.IRQ_STATUS, 0xF)
    await device.write(Offset.CONTROL, reg.CONTROL_LOAD_PROGRAM.mask)  # refused while jobs wait
    assert await device.field(Offset.IRQ_STATUS, reg.IRQ_STATUS_REFUSED) == 1
    await device.write(Offset.IRQ_STATUS, 0xF)
    for left in (1, 0):
        await job.play_core(0)
        await ClockCycles(dut.aclk, 3)
        assert dut.irq_o.value
        assert await device.field(Offset.STATUS, reg.STATUS_QUEUE_LEVEL) == left
        await device.write(Offset.IRQ_STATUS, reg.IRQ_STATUS_DONE.mask)
    assert await device.read(Offset.DONE_COUNT) == 2


async def expect_error(device: Device, job: Job, cause: ErrorCause, features: int = 1) -> int:
    """Run the job until the device stops; returns the address it names."""
    device.memory.written.clear()

    async def play() -> None:
        try:
            await job.play_core(features)
        except Stopped:
            return
        raise AssertionError("the device did not stop")

    device.core.port.state_o.value, device.core.port.store_pc_o.value = 0x1234, 0x5678
    core = cocotb.start_soon(play())
    await job.submit(features)
    await core
    device.core.quiet()
    assert await device.field(Offset.STATUS, reg.STATUS_ERROR) == 1
    assert await device.field(Offset.ERROR_CAUSE, reg.ERROR_CAUSE_CAUSE) == cause
    assert await device.field(Offset.IRQ_STATUS, reg.IRQ_STATUS_ERROR) == 1
    if cause not in (ErrorCause.GUARD_WEIGHTS, ErrorCause.BUS_WEIGHTS):
        writes = (ErrorCause.GUARD_OUTPUT, ErrorCause.GUARD_FEATURES, ErrorCause.BUS_WRITE)
        assert await device.read(Offset.ERROR_INSTR) == (0x5678 if cause in writes else 0x1234)
    # Nothing begins any more, and new jobs are refused
    await ClockCycles(device.dut.aclk, 100)
    written = set(device.memory.written)
    await job.submit(0)
    assert await device.field(Offset.IRQ_STATUS, reg.IRQ_STATUS_REFUSED) == 1
    for _ in range(50):
        await ClockCycles(device.dut.aclk, 1)
        assert not device.dut.m00_axi_arvalid.value and not device.dut.m00_axi_awvalid.value
    assert device.memory.written == written
    return await device.read_wide(Offset.ERROR_ADDR_LO)


@cocotb.test()
async def guard_violations(dut: Any) -> None:
    """Every window, a byte too short: typed error with address, nothing outside touched, recovery."""
    device = await ready(dut, 0.0, 0.4)
    job = Job(device)
    job.drops = 0.0  # every stripe is read
    await job.prepare()
    for window in job.windows():
        limit = Offset(window.register + 8)
        await device.write_wide(limit, window.limit - 1)
        if window.cause == ErrorCause.GUARD_PROGRAM:
            await device.write(Offset.CONTROL, reg.CONTROL_LOAD_PROGRAM.mask)
            await device.poll(Offset.STATUS, reg.STATUS_ERROR, 1)
            assert await device.field(Offset.ERROR_CAUSE, reg.ERROR_CAUSE_CAUSE) == window.cause
            assert await device.field(Offset.STATUS, reg.STATUS_PROGRAM_LOADED) == 0
            addr = await device.read_wide(Offset.ERROR_ADDR_LO)
        else:
            await job.load_program()
            addr = await expect_error(device, job, window.cause)
        assert window.limit - 16 * device.beat <= addr < window.limit
        if window.cause in (ErrorCause.GUARD_OUTPUT, ErrorCause.GUARD_FEATURES):
            assert max(device.memory.written, default=0) < addr
        await device.write_wide(limit, window.limit)
        await reset(device)
    await job.load_program()
    await run(device, job, 1)


@cocotb.test()
async def bus_errors(dut: Any) -> None:
    """SLVERR on every kind of transfer, and recovery."""
    device = await ready(dut, 0.0, 0.3)
    job = Job(device)
    job.drops = 0.0  # every stripe is read
    await job.prepare()
    out = OUTPUT + job.store.imm
    entry = next(e for e in job.entries if e.task_mask >> TASK & 1)
    weight = WEIGHTS + entry.offset * device.stripe_bytes
    for cause, address in [
        (ErrorCause.BUS_PROGRAM, PROGRAM + 64),
        (ErrorCause.BUS_WEIGHTS, weight),
        (ErrorCause.BUS_IMAGE, IMAGE + 640),
        (ErrorCause.BUS_WRITE, out),
    ]:
        device.memory.faults = range(address, address + device.beat)
        if cause == ErrorCause.BUS_PROGRAM:
            await device.write(Offset.CONTROL, reg.CONTROL_LOAD_PROGRAM.mask)
            await device.poll(Offset.STATUS, reg.STATUS_ERROR, 1)
            assert await device.field(Offset.ERROR_CAUSE, reg.ERROR_CAUSE_CAUSE) == cause
            found = await device.read_wide(Offset.ERROR_ADDR_LO)
        else:
            await job.load_program()
            found = await expect_error(device, job, cause, features=0)
        if cause != ErrorCause.BUS_WRITE:
            assert found <= address < found + 16 * device.beat
        device.memory.faults = range(0)
        await reset(device)
    await job.load_program()
    await run(device, job, 1)


@cocotb.test()
async def other_errors(dut: Any) -> None:
    """Sizes of programs, and errors of the core itself."""
    device = await ready(dut)
    job = Job(device)
    await job.prepare()
    await device.write(Offset.PROGRAM_EXEC, 0)
    await device.write(Offset.CONTROL, reg.CONTROL_LOAD_PROGRAM.mask)
    await device.poll(Offset.STATUS, reg.STATUS_ERROR, 1)
    assert await device.field(Offset.ERROR_CAUSE, reg.ERROR_CAUSE_CAUSE) == ErrorCause.PROGRAM_SIZE
    await reset(device)
    device.core.port.state_o.value = 0x0D_0E0F_0102
    device.core.port.core_err_o.value = 5
    await device.poll(Offset.STATUS, reg.STATUS_ERROR, 1)
    assert await device.field(Offset.ERROR_CAUSE, reg.ERROR_CAUSE_CAUSE) == ErrorCause.CORE
    assert await device.field(Offset.ERROR_CAUSE, reg.ERROR_CAUSE_CORE) == 5
    assert await device.read(Offset.ERROR_INSTR) == 0x0102
    assert await device.read(Offset.SEQ_STATE0) == 0x0E0F_0102
    assert await device.read(Offset.SEQ_STATE1) == 0x0D  # and nothing in flight
    await reset(device)
    await job.prepare()
    await job.load_program()
    await run(device, job, 0)


async def play_until_stopped(job: Job) -> None:
    try:
        await job.play_core(1)
    except Stopped:
        return


@cocotb.test()
async def soft_reset_mid_flight(dut: Any) -> None:
    """Reset at random moments of a job, bursts in flight drained under stalls; the next job is whole."""
    device = await ready(dut)
    job = Job(device)
    await job.prepare()
    for attempt in range(8):
        device.stall(0.0, 0.3, 0.8)
        await job.load_program()

        core = cocotb.start_soon(play_until_stopped(job))
        await job.submit(1)
        await ClockCycles(dut.aclk, random.choice([5, 50, 200, 400, 600, 900]) + attempt)
        await reset(device, core)
        assert await device.read(Offset.DONE_COUNT) == 0
        if attempt % 3 == 0:
            job = Job(device)
            await job.prepare()
            await job.load_program()
            await run(device, job, 1)
            await reset(device)
