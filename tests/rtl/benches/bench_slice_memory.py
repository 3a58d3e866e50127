# SPDX-License-Identifier: Apache-2.0
"""slice_memory: words written in parts, read by the slice; a read enables the banks of that slice only."""

import random
from collections import deque
from typing import Any

import cocotb

from tests.rtl.benches.cycles import Cycles, chance
from tests.rtl.benches.records import bench_config, lanes, unlanes

LATENCY = 3
CYCLES = 3000


@cocotb.test()
async def random_traffic(dut: Any) -> None:
    c, hw = Cycles(dut), bench_config()
    bits, chunk, words = (int(cocotb.plusargs[name]) for name in ("LaneW", "ChunkLanes", "Words"))
    chunks = hw.pn // chunk
    banks = [dut.gen_bank[i].u_ram for i in range(chunks)]
    await c.reset(we_i=0, re_i=0)
    content: list[list[int]] = []
    for word in range(words):  # every lane is written once, word by word
        content.append([random.getrandbits(bits) for _ in range(hw.pn)])
        c.set(we_i=1, be_i=(1 << chunks) - 1, waddr_i=word, wdata_i=lanes(content[-1], bits))
        await c.step()
    pending: deque[list[int] | None] = deque([None] * (LATENCY - 1))
    last: list[int] | None = None
    for _ in range(CYCLES):
        write, read, enables = chance(0.4), chance(0.7), random.getrandbits(chunks)
        waddr, raddr = random.randrange(words), random.randrange(words)
        read = read and not (write and waddr == raddr)
        part = random.randrange(hw.slices)
        data = [random.getrandbits(bits) for _ in range(hw.pn)]
        c.set(we_i=write, be_i=enables, waddr_i=waddr, wdata_i=lanes(data, bits))
        c.set(re_i=read, slice_addr_i=raddr * hw.slices + part)
        pending.append(content[raddr][part * hw.pk : (part + 1) * hw.pk] if read else None)
        if write:
            kept = [bool(enables >> (lane // chunk) & 1) for lane in range(hw.pn)]
            content[waddr] = [d if k else o for d, k, o in zip(data, kept, content[waddr], strict=True)]
        await c.settle()
        read_lanes = chunk * sum(bool(bank.re_i.value) for bank in banks)
        assert read_lanes == (hw.pk if read else 0), f"{read_lanes} lanes are read"
        await c.step()
        last = pending.popleft() or last
        if last is not None:
            assert unlanes(c.get("slice_o"), hw.pk, bits, signed=False) == last
