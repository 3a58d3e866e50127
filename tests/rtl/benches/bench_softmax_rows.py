# SPDX-License-Identifier: Apache-2.0
"""softmax_rows: row maxima over several score words, row sums over several slices, their reciprocals."""

import random
from typing import Any

import cocotb
import numpy as np

from peritus.arch.config import MIN_PASS
from peritus.reference import reciprocal
from tests.rtl.benches.records import Record, bench_config
from tests.rtl.benches.timeline import Timeline

SUM_AT = 2  # prob_sum_i after prob_token_i
MAX_AT = 2  # max_o after max_re_i


@cocotb.test()
async def rows(dut: Any) -> None:
    """Scores of one head are written while probabilities of another stream."""
    hw = bench_config()
    rng = np.random.default_rng(cocotb.RANDOM_SEED)
    record = Record("token_t", hw)
    reciprocal_at, settled = (int(cocotb.plusargs[k]) for k in ("latency", "settled"))
    plan = Timeline(dut, {"next_token_i": 0, "score_valid_i": 0, "max_re_i": 0, "prob_token_i": 0}, {})
    cycle = 1
    for count, words, slices in (
        (1, 1, 1),
        (3, 4, 2),
        (16, 1, 5),
        (17, 2, 1),
        (hw.acc_depth, 3, 4),
        (2, 2, 2),
    ):
        keys = (words - 1) * hw.pn + random.randint(1, hw.pn)
        scores = rng.integers(-(1 << 15), 1 << 15, (count, words * hw.pn))
        scores[::2] = rng.integers(-(1 << 15), -(1 << 15) + 9, scores[::2].shape)  # all near the minimum
        start = cycle
        for word in range(words):
            now = max(start + word * max(count, MIN_PASS), cycle)
            for row in range(count):
                lanes = min(hw.pn, keys - word * hw.pn)
                token = record.pack(valid=1, row=row, first_n=word == 0, lanes=lanes)
                half = scores[row, word * hw.pn : (word + 1) * hw.pn]
                plan.drive(now - 1, next_token_i=token)
                plan.drive(now, score_valid_i=1, score_token_i=token, score_i=half)
                now += 1
            cycle = now
        scores_end = cycle
        # Probabilities of another head, in the same cycles; activations between them change nothing.
        limit = 255 * hw.pk
        sums = rng.integers(0, limit + 1, (slices, count))
        sums[0] = np.maximum(sums[0], 255)
        sums[:, ::3] = limit
        now = start
        for part in range(slices):
            first = now
            for row in range(count):
                while random.random() < 0.1:
                    now += 1
                flags = {"first_k": part == 0, "last_k": part == slices - 1}
                token = record.pack(valid=1, from_scores=1, row=row, **flags)
                plan.drive(now, prob_token_i=token)
                plan.drive(now + SUM_AT, prob_sum_i=int(sums[part, row]))
                if flags["last_k"]:
                    r, shift = reciprocal(sums[:, row].sum(keepdims=True))
                    what = f"row {row} of {count}, {slices} slices"
                    plan.expect(
                        now + SUM_AT + reciprocal_at, what, mantissa_o=int(r[0]), shift_o=int(shift[0])
                    )
                now += 1
            now = max(now, first + MIN_PASS)
            for row in range(random.randint(0, count - 1)):  # a pass of activations
                plan.drive(
                    now, prob_token_i=record.pack(valid=1, from_scores=0, row=row, first_k=1, last_k=1)
                )
                now += 1
        cycle = max(now, scores_end - 1 + settled)
        expected = scores[:, :keys].max(axis=1)
        order = rng.permutation(count)
        for row in order.tolist():
            plan.drive(cycle, max_re_i=1, max_addr_i=row)
            what = f"row {row} of {count}, {keys} keys"
            plan.expect(cycle + MAX_AT, what, max_o=int(expected[row]) & 0xFFFF)
            cycle += 1
        cycle += random.randint(0, 3)
    await plan.run()
