# SPDX-License-Identifier: Apache-2.0
"""perf_counters: counts of one job, readable while the next one runs."""

import random
from typing import Any

import cocotb

from tests.rtl.benches.cycles import Cycles, chance

STROBES = ("array_busy_i", "stall_weight_i", "stall_wait_i", "write_beat_i")


@cocotb.test()
async def jobs(dut: Any) -> None:
    ports, beat = (int(cocotb.plusargs[k]) for k in ("axi_ports", "axi_bytes"))
    bench = Cycles(dut)
    await bench.reset(start_i=0, done_i=0, read_beat_i=0, **dict.fromkeys(STROBES, 0))
    outputs = ("array_busy_o", "stall_weight_o", "stall_wait_o", "write_bytes_o")
    back_to_back = False
    for length in [10, 1, 100, *(random.randrange(5, 60) for _ in range(12))]:
        if not back_to_back:
            bench.set(start_i=1)
            await bench.step()
        bench.set(start_i=0)
        waited = int(back_to_back)  # for the outputs of the job before
        counts = dict.fromkeys(STROBES, 0)
        reads = [0] * ports
        rates = {name: random.choice([0.0, 0.3, 1.0]) for name in STROBES}
        for _ in range(length):
            strobes = {name: chance(rate) for name, rate in rates.items()}
            beats = random.getrandbits(ports)
            bench.set(read_beat_i=beats, **strobes)
            for name, strobe in strobes.items():
                counts[name] += strobe
            reads = [count + (beats >> p & 1) for p, count in enumerate(reads)]
            await bench.step()
        bench.set(read_beat_i=0, **dict.fromkeys(STROBES, 0))
        await bench.step()  # the last strobes are counted
        back_to_back = chance(0.3)
        bench.set(done_i=1, start_i=back_to_back)
        await bench.step()
        bench.set(done_i=0, start_i=0)
        await bench.step()
        counts["write_beat_i"] *= beat
        assert bench.get("cycles_o") == waited + length + 2  # strobes, the cycle after, and that of done_i
        assert [bench.get(name) for name in outputs] == list(counts.values())
        assert [int(dut.read_bytes_o[p].value) for p in range(ports)] == [count * beat for count in reads]
