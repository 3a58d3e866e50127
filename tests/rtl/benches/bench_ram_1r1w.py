# SPDX-License-Identifier: Apache-2.0
"""ram_1r1w: random reads and writes, also in one cycle, against a list; data two cycles after."""

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
    await c.reset(we_i=0, re_i=0)
    memory: list[int | None] = [None] * depth  # None: never written
    pending: deque[int | None] = deque([None])  # content as it was in the cycle of the request
    held: int | None = None  # what rdata_o must hold
    compared = 0
    for _ in range(CYCLES):
        write, read = chance(0.5), chance(0.6)
        waddr, raddr = random.randrange(depth), random.randrange(depth)
        read = read and not (write and waddr == raddr)  # undefined
        data = random.getrandbits(width)
        c.set(we_i=write, waddr_i=waddr, wdata_i=data, re_i=read, raddr_i=raddr)
        defined = read or (not hold and not (write and waddr == raddr))
        pending.append(memory[raddr] if defined else None)
        if write:
            memory[waddr] = data
        await c.step()
        arrived = pending.popleft()
        if arrived is not None:
            held = arrived
        if held is not None:  # a request for a word never written may change the output to anything
            assert c.get("rdata_o") == held
            compared += arrived is not None
        if (read or not hold) and pending[-1] is None:
            held = None
    assert compared > CYCLES / 4
