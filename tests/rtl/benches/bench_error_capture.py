# SPDX-License-Identifier: Apache-2.0
"""error_capture: the first error is kept with its instruction and address, whatever comes later."""

import random
from typing import Any

import cocotb

from peritus.arch.registers import ErrorCause
from tests.rtl.benches.cycles import Cycles

FROM_STORE = (ErrorCause.GUARD_OUTPUT, ErrorCause.GUARD_FEATURES, ErrorCause.BUS_WRITE)
FROM_FETCH_TABLE = (ErrorCause.GUARD_WEIGHTS, ErrorCause.BUS_WEIGHTS)
EVENTS = [cause for cause in ErrorCause if cause not in (ErrorCause.NONE, ErrorCause.CORE)]


@cocotb.test()
async def first_error(dut: Any) -> None:
    bench = Cycles(dut)
    for cause in [*EVENTS, ErrorCause.CORE, *random.choices(list(ErrorCause)[1:], k=10)]:
        await bench.reset(events_i=0, core_err_i=0)
        assert not bench.get("stop_o") and bench.get("cause_o") == ErrorCause.NONE
        addrs = {c: random.getrandbits(40) for c in EVENTS}
        pc, entry, store = (random.getrandbits(16) for _ in range(3))
        instruction = entry if cause in FROM_FETCH_TABLE else store if cause in FROM_STORE else pc
        core = random.randint(1, 15) if cause == ErrorCause.CORE else 0
        # A simultaneous error of a higher cause does not count.
        others = random.choices(EVENTS, k=3) if cause != ErrorCause.CORE else []
        events = {cause, *(c for c in others if c > cause)} - {ErrorCause.CORE}
        bench.set(
            events_i=sum(1 << c for c in events),
            addrs_i=sum(a << (40 * c) for c, a in addrs.items()),
            core_err_i=core,
            pc_i=pc,
            store_pc_i=store,
            fetch_entry_i=entry,
        )
        await bench.step()
        assert bench.get("stop_o") and bench.get("event_o")
        for _ in range(4):
            assert bench.get("cause_o") == cause
            assert bench.get("core_cause_o") == core
            assert bench.get("instr_o") == instruction
            assert bench.get("addr_o") == addrs.get(cause, 0)
            bench.set(events_i=random.getrandbits(11), pc_i=0, store_pc_i=0, core_err_i=random.getrandbits(4))
            await bench.step()
            assert bench.get("stop_o") and not bench.get("event_o")
