# SPDX-License-Identifier: Apache-2.0
"""ram_1r1w: random reads and writes, also in one cycle, against a list; data ReadLatency cycles after."""

import random
from collections import deque
from typing import Any

import cocotb

from tests.rtl.benches.cycles import Cycles, chance

CYCLES = 4000


@cocotb.test()
async def random_traffic(dut: Any) -> None:
    c = Cycles(dut)
    width, depth = int(cocotb.plusargs["Width"]), int(cocotb.plusargs["Depth"])
    hold = bool(int(cocotb.plusargs["Hold"]))  # without, every cycle reads
    latency, banked = int(cocotb.plusargs["ReadLatency"]), int(cocotb.plusargs["BankDepth"]) < depth
    await c.reset(we_i=0, re_i=0)
    memory: list[int | None] = [None] * depth  # None: never written, may be anything
    # Is there a request, and what the memory held in its cycle.
    pending: deque[tuple[bool, int | None]] = deque([(False, None)] * (latency - 1))
    held: int | None = None  # what rdata_o must hold; None: anything
    written: int | None = None  # address of the cycle before
    compared = 0
    for _ in range(CYCLES):
        write, read = chance(0.5), chance(0.6)
        waddr, raddr = random.randrange(depth), random.randrange(depth)
        defined = not (write and waddr == raddr) and not (banked and raddr == written)
        read = read and defined
        data = random.getrandbits(width)
        c.set(we_i=write, waddr_i=waddr, wdata_i=data, re_i=read, raddr_i=raddr)
        pending.append((read or not hold, memory[raddr] if defined else None))
        written = waddr if write else None
        if write:
            memory[waddr] = data
        await c.step()
        arrived, value = pending.popleft()
        if arrived:
            held = value
        if held is not None:
            assert c.get("rdata_o") == held
            compared += arrived
    assert compared > CYCLES / 4
