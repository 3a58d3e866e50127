# SPDX-License-Identifier: Apache-2.0
"""uart_tx: the line, clock by clock, is start bit, data, stop bit of exactly ClocksPerBit each."""

import random
from typing import Any

import cocotb

from tests.rtl.benches.cycles import Cycles, chance

CLOCKS = int(cocotb.plusargs["ClocksPerBit"])


@cocotb.test()
async def bits_on_the_line(dut: Any) -> None:
    cycles = Cycles(dut)
    await cycles.reset(valid_i=0)
    sent, line = [], []
    waiting = random.randrange(256)
    while len(sent) < 60:
        valid = chance(0.9 if len(sent) % 20 < 10 else 0.01)
        cycles.set(valid_i=valid, data_i=waiting if valid else random.randrange(256))
        await cycles.settle()
        accepted = valid and cycles.get("ready_o")
        await cycles.step()
        line.append(cycles.get("tx_o"))
        if accepted:
            sent.append(waiting)
            waiting = random.randrange(256)
    cycles.set(valid_i=0)
    for _ in range(12 * CLOCKS):
        await cycles.step()
        line.append(cycles.get("tx_o"))

    at, received = 0, []
    while 0 in line[at:]:
        at = line.index(0, at)
        bits = [line[at + i * CLOCKS : at + (i + 1) * CLOCKS] for i in range(10)]
        assert all(len(set(bit)) == 1 for bit in bits), "a bit is not ClocksPerBit long"
        assert bits[0][0] == 0 and bits[9][0] == 1
        received.append(sum(bit[0] << i for i, bit in enumerate(bits[1:9])))
        at += 10 * CLOCKS
    assert received == sent
