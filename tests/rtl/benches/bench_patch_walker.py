# SPDX-License-Identifier: Apache-2.0
"""patch_walker (and peritus_loop_nest.sv inside) against its loops."""

import random
from typing import Any

import cocotb

from tests.rtl.benches.cycles import Cycles, chance


@cocotb.test()
async def shapes(dut: Any) -> None:
    width, chunks = (int(cocotb.plusargs[k]) for k in ("AddrW", "ChunksPerWord"))
    bench = Cycles(dut)
    await bench.reset(start_i=0, step_i=0)
    corner = [
        (1, 1, 1, 1),
        (1, 1, 1, 7),
        (1, 1, 7, 1),
        (1, 7, 1, 1),
        (7, 1, 1, 1),
        (3, 1, 1, 2),
        (2, 3, 1, 1),
    ]
    for n0, n1, n2, n3 in [*corner, *(tuple(random.randint(1, 5) for _ in range(4)) for _ in range(12))]:
        base, stride = random.getrandbits(width), random.getrandbits(width)
        bench.set(start_i=1, base_i=base, stride_i=stride, n0_i=n0, n1_i=n1, n2_i=n2, n3_i=n3)
        await bench.step()
        bench.set(start_i=0, base_i=0, stride_i=0, n0_i=0, n1_i=0, n2_i=0, n3_i=0)
        for y in range(n0):
            for s in range(n1):
                for x in range(n2):
                    for i in range(n3):
                        while chance(0.2):
                            bench.set(step_i=0)
                            await bench.step()
                        bench.set(step_i=1)
                        await bench.settle()
                        chunk = s * n3 + i
                        word = (base + (y * n2 + x) * stride + chunk // chunks) % (1 << width)
                        assert bench.get("word_o") == word
                        assert bench.get("sub_o") == chunk % chunks
                        last = (y, s, x, i) == (n0 - 1, n1 - 1, n2 - 1, n3 - 1)
                        assert bench.get("last_o") == last
                        await bench.step()
        bench.set(step_i=0)
