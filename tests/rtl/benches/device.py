# SPDX-License-Identifier: Apache-2.0
"""peritus_top on a bench: registers, AXI4 memory on every port, and the bench in the place of the core."""

import random
from collections import deque
from collections.abc import Iterator
from typing import Any

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, FallingEdge, Timer
from cocotbext.axi import AxiBus, AxiLiteBus, AxiLiteMaster, AxiReadBus, AxiSlave, AxiSlaveRead

from peritus.arch.isa import Instruction
from peritus.arch.registers import Field, Offset

TIMEOUT = 20_000  # cycles


class Memory:
    """DDR: bytes from address 0 on; addresses in `faults` answer with an error."""

    def __init__(self, size: int) -> None:
        self.content = bytearray(size)
        self.faults: range = range(0)
        self.written: set[int] = set()

    async def read(self, address: int, length: int) -> bytes:
        if address in self.faults or address + length > len(self.content):
            raise ValueError(f"no memory at {address:#x}")
        return bytes(self.content[address : address + length])

    async def write(self, address: int, data: bytes) -> None:
        if address in self.faults or address + len(data) > len(self.content):
            raise ValueError(f"no memory at {address:#x}")
        self.content[address : address + len(data)] = data
        self.written.update(range(address, address + len(data)))


class Stopped(Exception):
    """The device has raised err_i or reset to the core."""


class Core:
    """What a core does on its ports; every wait ends in Stopped when the device stops, or after TIMEOUT."""

    def __init__(self, dut: Any, pn: int, beat: int, act_words: int, residual_words: int) -> None:
        self.port = dut.u_core
        self.pn, self.beat = pn, beat
        self.act = np.zeros((act_words, pn), np.int8)
        self.residual = np.zeros((residual_words, pn), np.int64)
        self.stall = 0.3
        self._reads: deque[int | None] = deque([None, None])
        self._outputs = [name for name in dir(self.port) if name.endswith("_o")]
        self.quiet()

    def quiet(self) -> None:
        for name in self._outputs:
            getattr(self.port, name).value = 0

    def start(self) -> None:
        cocotb.start_soon(self._memories())

    async def _memories(self) -> None:
        """Activation memory written by the image loader; residual memory read by the result writer."""
        mask = (1 << 20) - 1
        while True:
            await FallingEdge(self.port.clk_i)
            row = self._reads.popleft()
            if row is not None:
                lanes = self.residual[row].tolist()
                self.port.st_rdata_o.value = sum((v & mask) << (20 * i) for i, v in enumerate(lanes))
            await Timer(1, "ns")
            self._reads.append(int(self.port.st_raddr_i.value) if self.port.st_re_i.value else None)
            if self.port.img_we_i.value:
                word = int(self.port.img_wdata_i.value).to_bytes(self.pn, "little")
                for chunk in range(self.pn // self.beat):
                    if int(self.port.img_wbe_i.value) >> chunk & 1:
                        lanes_of = slice(chunk * self.beat, (chunk + 1) * self.beat)
                        row = int(self.port.img_waddr_i.value)
                        self.act[row, lanes_of] = np.frombuffer(word[lanes_of], np.int8)

    async def cycle(self) -> None:
        """To the falling edge, where outputs are driven."""
        await FallingEdge(self.port.clk_i)

    async def _wait(self, name: str) -> None:
        """Until the input is high in the present cycle; then pass its edge."""
        for _ in range(TIMEOUT):
            await Timer(2, "ns")
            if not self.port.rst_ni.value or self.port.err_i.value:
                raise Stopped
            high = bool(getattr(self.port, name).value)
            await self.cycle()
            if high:
                return
        raise TimeoutError(f"{name} stayed low for {TIMEOUT} cycles")

    async def _pulse(self, name: str) -> None:
        getattr(self.port, name).value = 1
        await self.cycle()
        getattr(self.port, name).value = 0

    async def accept(self) -> dict[str, int]:
        """Take the next job and start fetching its weights."""
        await self.cycle()
        self.port.job_ready_o.value = 1
        for _ in range(TIMEOUT):
            await Timer(2, "ns")
            job = int(self.port.job_i.value)
            valid = bool(self.port.job_valid_i.value)
            await self.cycle()
            if valid:
                break
        else:
            raise TimeoutError("no job")
        self.port.job_ready_o.value = 0
        await self._pulse("fetch_start_o")
        fields = {}
        for name, bits in (
            ("image", 40),
            ("out", 40),
            ("features", 40),
            ("task", 4),
            ("cold", 1),
            ("features_en", 1),
            ("seq", 32),
        ):
            fields[name] = job & ((1 << bits) - 1)
            job >>= bits
        return fields

    async def read_program(self, index: int) -> int:
        self.port.prog_raddr_o.value = index
        await self._pulse("prog_re_o")
        await self.cycle()
        return int(self.port.prog_rdata_i.value)

    async def load_image(self, instruction: Instruction) -> None:
        self.port.img_instr_o.value = instruction.encode()
        self.port.img_valid_o.value = 1
        await self._wait("img_ready_i")
        self.port.img_valid_o.value = 0
        await self._wait("img_done_i")
        await self.cycle()

    async def store(self, instruction: Instruction) -> None:
        await self.begin_store(instruction)
        await self.stored()

    async def begin_store(self, instruction: Instruction) -> None:
        self.port.st_instr_o.value = instruction.encode()
        self.port.st_valid_o.value = 1
        await self._wait("st_ready_i")
        self.port.st_valid_o.value = 0

    async def stored(self) -> None:
        await self._wait("st_done_i")

    async def consume(self, words: int) -> bytes:
        """Pop the words of one segment."""
        found = b""
        size = 2 * self.pn
        idle = 0
        while words:
            self.port.w_ready_o.value = random.random() >= self.stall
            await Timer(2, "ns")
            if not self.port.rst_ni.value or self.port.err_i.value:
                raise Stopped
            idle += 1
            if self.port.w_valid_i.value and self.port.w_ready_o.value:
                found += int(self.port.w_data_i.value).to_bytes(size, "little")
                words -= 1
                idle = 0
            if idle > TIMEOUT:
                raise TimeoutError(f"{words} weight words missing")
            await self.cycle()
        self.port.w_ready_o.value = 0
        await self._pulse("seg_done_o")
        return found

    def gate(self, number: int) -> None:
        """A gate empties the queues."""
        self.port.gates_o.value, self.port.routed_o.value = number, 0

    async def find_idle(self) -> None:
        """It has routed no token to any expert."""
        await self.cycle()
        self.port.routed_o.value = 1
        self.port.idle_experts_o.value = (1 << len(self.port.idle_experts_o)) - 1
        await self.cycle()

    async def drop(self, stripes: int) -> None:
        self.port.drop_stripes_o.value = stripes
        self.port.drop_valid_o.value = 1
        await self._wait("drop_ready_i")
        self.port.drop_valid_o.value = 0

    async def done(self, seq: int) -> None:
        self.port.job_done_seq_o.value = seq
        await self._pulse("job_done_o")


class Device:
    """Registers and memory of peritus_top."""

    def __init__(self, dut: Any) -> None:
        self.dut = dut
        get = {name: int(value) for name, value in cocotb.plusargs.items() if str(value).isdigit()}
        self.ports, self.beat, self.pn = get["axi_ports"], get["axi_bytes"], get["pn"]
        self.stripe_bytes = get["stripe_bytes"]
        self.memory = Memory(1 << 18)
        clock, reset = dut.aclk, dut.aresetn
        self.registers = AxiLiteMaster(
            AxiLiteBus.from_prefix(dut, "s_axil"), clock, reset, reset_active_level=False
        )
        main = AxiSlave(
            AxiBus.from_prefix(dut, "m00_axi"), clock, reset, target=self.memory, reset_active_level=False
        )
        others = [
            AxiSlaveRead(
                AxiReadBus.from_prefix(dut, f"m{p:02d}_axi"),
                clock,
                reset,
                target=self.memory,
                reset_active_level=False,
            )
            for p in range(1, self.ports)
        ]
        self.channels = [main.write_if.aw_channel, main.write_if.w_channel, main.write_if.b_channel]
        for slave in [main.read_if, *others]:
            self.channels += [slave.ar_channel, slave.r_channel]
        self.core = Core(dut, self.pn, self.beat, get["act_words"], get["residual_words"])
        for component in [
            self.registers.write_if,
            self.registers.read_if,
            main.write_if,
            main.read_if,
            *others,
        ]:
            component.log.setLevel("ERROR")

    async def start(self) -> None:
        Clock(self.dut.aclk, 10, unit="ns").start()
        self.dut.aresetn.value = 0
        await ClockCycles(self.dut.aclk, 5)
        self.dut.aresetn.value = 1
        self.core.start()
        await ClockCycles(self.dut.aclk, 25)

    def stall(self, *probabilities: float) -> None:
        """Every AXI channel pauses with one of the probabilities; 0 = never."""
        for channel in self.channels:
            probability = random.choice(probabilities)
            channel.set_pause_generator(_pauses(probability) if probability else None)
            channel.pause = False

    async def read(self, offset: Offset) -> int:
        return int(await self.registers.read_dword(offset))

    async def write(self, offset: Offset, value: int) -> None:
        await self.registers.write_dword(offset, value)

    async def field(self, offset: Offset, field: Field) -> int:
        return field.of(await self.read(offset))

    async def write_wide(self, low: Offset, value: int) -> None:
        """A pair of registers: bits 31:0, then 39:32."""
        await self.write(low, value & 0xFFFF_FFFF)
        await self.write(Offset(low + 4), value >> 32)

    async def read_wide(self, low: Offset) -> int:
        return await self.read(low) | await self.read(Offset(low + 4)) << 32

    async def poll(self, offset: Offset, field: Field, value: int) -> None:
        for _ in range(TIMEOUT // 10):
            if await self.field(offset, field) == value:
                return
        raise TimeoutError(f"{offset.name} field {field} did not become {value}")


def _pauses(probability: float) -> Iterator[bool]:
    while True:
        yield random.random() < probability
