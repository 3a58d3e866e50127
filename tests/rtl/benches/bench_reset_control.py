# SPDX-License-Identifier: Apache-2.0
"""reset_control: reset lasts for the hold time and until the masters have drained."""

import random
from typing import Any

import cocotb

from tests.rtl.benches.cycles import Cycles


async def released_after(bench: Cycles, busy: int) -> int:
    """Cycles until rst_no is high, the masters being busy for the first `busy` of them."""
    for count in range(1000):
        bench.set(idle_i=count >= busy)
        await bench.settle()
        assert bench.get("flush_o") != bench.get("rst_no")
        if bench.get("rst_no"):
            return count
        await bench.step()
    raise AssertionError("never released")


@cocotb.test()
async def resets(dut: Any) -> None:
    hold = int(cocotb.plusargs["HoldCycles"])
    bench = Cycles(dut)
    await bench.reset(soft_reset_i=0, idle_i=1)
    assert not bench.get("rst_no")
    assert hold <= await released_after(bench, 0) <= hold + 1
    for busy in [0, 1, hold - 1, hold, hold + 7, 100, *(random.randrange(60) for _ in range(10))]:
        for _ in range(random.randrange(5)):
            bench.set(idle_i=random.getrandbits(1))
            await bench.settle()
            assert bench.get("rst_no"), "reset without a command"
            await bench.step()
        bench.set(soft_reset_i=1)
        await bench.step()
        bench.set(soft_reset_i=0)
        assert max(hold, busy) <= await released_after(bench, busy) <= max(hold, busy) + 1
