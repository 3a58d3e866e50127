# SPDX-License-Identifier: Apache-2.0
"""job_queue against a deque of two, with refusals."""

import random
from collections import deque
from typing import Any

import cocotb

from tests.rtl.benches.cycles import Cycles, chance


@cocotb.test()
async def queue(dut: Any) -> None:
    bench = Cycles(dut)
    await bench.reset(enable_i=0, submit_i=0, job_ready_i=0)
    model: deque[int] = deque()
    refused = False
    refusals = {"full": 0, "disabled": 0}
    for _ in range(1500):
        job = random.getrandbits(157)
        bench.set(enable_i=chance(0.8), submit_i=chance(0.4), submit_job_i=job, job_ready_i=chance(0.3))
        await bench.settle()
        assert bench.get("level_o") == len(model)
        assert bench.get("job_valid_o") == (len(model) > 0)
        assert bench.get("refused_o") == refused
        if model:
            assert bench.get("job_o") == model[0]
        refused = False
        full = len(model) == 2
        if model and bench.get("job_ready_i"):
            model.popleft()
        if bench.get("submit_i"):
            refused = full or not bench.get("enable_i")
            if refused:
                refusals["full" if full else "disabled"] += 1
            else:
                model.append(job)
        await bench.step()
    assert min(refusals.values()) > 20
