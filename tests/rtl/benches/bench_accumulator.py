# SPDX-License-Identifier: Apache-2.0
"""accumulator: partial sums over K tiles of random passes, rows coming again as soon as allowed."""

import random
from typing import Any

import cocotb
import numpy as np

from tests.rtl.benches.records import Record, bench_config
from tests.rtl.benches.timeline import Timeline

ROW_DISTANCE = 4  # cycles until a row may come again
SUM_AT, TOTAL_AT = 2, 3  # cycles after the token
LARGEST = (1 << 21) - 1


@cocotb.test()
async def passes(dut: Any) -> None:
    hw = bench_config()
    rng = np.random.default_rng(cocotb.RANDOM_SEED)
    token = Record("token_t", hw)
    plan = Timeline(dut, {"token_i": 0}, {})
    cycle = 0
    for rows, k_tiles, gap in (
        (1, 1, 0.0),
        (1, 4, 0.0),
        (2, 3, 0.3),
        (4, 6, 0.0),
        (5, 31, 0.0),
        (hw.acc_depth, 3, 0.2),
        (hw.acc_depth, 1, 0.0),
        (17, 4, 0.0),
    ):
        totals = np.zeros((rows, hw.pn), np.int64)
        last = [-ROW_DISTANCE] * rows
        # 31 tiles of the largest sums stay within 27 bits.
        values = rng.choice([-LARGEST - 1, LARGEST], (k_tiles, rows, hw.pn))
        if rows != 5:
            values = rng.integers(-LARGEST - 1, LARGEST + 1, (k_tiles, rows, hw.pn))
        for k in range(k_tiles):
            for row in range(rows):
                cycle = max(cycle, last[row] + ROW_DISTANCE)
                while random.random() < gap:
                    cycle += 1
                totals[row] += values[k, row]
                flags = {"first_k": k == 0, "last_k": k == k_tiles - 1}
                plan.drive(cycle, token_i=token.pack(valid=1, row=row, **flags))
                plan.drive(cycle + SUM_AT, sum_i=values[k, row])
                plan.expect(cycle + TOTAL_AT, f"row {row}, tile {k} of {k_tiles}", total_o=totals[row].copy())
                last[row] = cycle
                cycle += 1
    await plan.run()
