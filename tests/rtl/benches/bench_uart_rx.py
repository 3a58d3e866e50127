# SPDX-License-Identifier: Apache-2.0
"""uart_rx against a line drawn bit by bit: every byte, clocks that are off, glitches, no stop bits."""

import random
from typing import Any

import cocotb

from tests.rtl.benches.cycles import Cycles

CLOCKS = int(cocotb.plusargs["ClocksPerBit"])


class Line:
    """Drives rx_i with bits of any length in clocks (fractions add up) and collects what comes out."""

    def __init__(self, cycles: Cycles) -> None:
        self.cycles = cycles
        self.received: list[int] = []
        self.owed = 0.0

    async def level(self, value: int, clocks: float) -> None:
        self.owed += clocks
        while self.owed >= 1:
            self.owed -= 1
            self.cycles.set(rx_i=value)
            await self.cycles.step()
            if self.cycles.get("valid_o"):
                self.received.append(self.cycles.get("data_o"))

    async def byte(self, value: int, clocks: float = CLOCKS, stop: int = 1) -> None:
        for bit in [0, *(value >> i & 1 for i in range(8)), stop]:
            await self.level(bit, clocks)


async def start(dut: Any) -> Line:
    cycles = Cycles(dut)
    await cycles.reset(rx_i=1)
    line = Line(cycles)
    await line.level(1, 3 * CLOCKS)
    return line


@cocotb.test()
async def every_byte_back_to_back(dut: Any) -> None:
    line = await start(dut)
    sent = random.sample(range(256), 256)
    for value in sent:
        await line.byte(value)
    await line.level(1, CLOCKS)
    assert line.received == sent


@cocotb.test()
async def clocks_that_are_off(dut: Any) -> None:
    """Three percent, either way: back to back, and with pauses that are no whole bits."""
    line = await start(dut)
    sent = []
    for drift in (0.97, 0.99, 1.01, 1.03):
        for _ in range(20):
            sent.append(random.randrange(256))
            await line.byte(sent[-1], CLOCKS * drift)
            await line.level(1, random.choice([0, 0, 0.7 * CLOCKS, random.random() * 3 * CLOCKS]))
    await line.level(1, 2 * CLOCKS)
    assert line.received == sent


@cocotb.test()
async def glitches_and_broken_bytes(dut: Any) -> None:
    """A short low is no start bit; a byte without a stop bit is dropped, and the next one is right."""
    line = await start(dut)
    sent = []
    for _ in range(20):
        await line.level(0, CLOCKS // 2 - 4)
        await line.level(1, 2 * CLOCKS)
        await line.byte(random.randrange(256), stop=0)
        await line.level(1, 11 * CLOCKS)
        sent.append(random.randrange(256))
        await line.byte(sent[-1])
    await line.level(1, CLOCKS)
    # The zero in place of a stop bit may look like a start bit: what comes of it is 0xff, which the frames'
    # checksums see.
    assert [value for value in line.received if value != 0xFF] == [value for value in sent if value != 0xFF]
