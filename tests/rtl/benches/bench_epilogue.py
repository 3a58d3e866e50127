# SPDX-License-Identifier: Apache-2.0
"""epilogue against peritus.reference: both stages, every function, new parameters pass by pass."""

import random
from typing import Any

import cocotb
import numpy as np

from peritus.arch.config import ACC_BITS, MIN_PASS
from peritus.arch.isa import Function, Scale2
from peritus.reference import ACTIVATIONS, requantize, rescale, saturate
from tests.rtl.benches.pipeline import Ints
from tests.rtl.benches.records import Record, bench_config, lanes
from tests.rtl.benches.timeline import Timeline

TOTAL_AT = 2  # cycles after the token
PARAMS_AT = 1  # params_taken_o; the parameters may change two cycles later
PARAMS_FREE = PARAMS_AT + 2
PASSES = 60


class Parameters:
    """One parameter block: bias within 26 bits, shifts and multipliers of every size."""

    def __init__(self, rng: np.random.Generator, pn: int) -> None:
        self.bias = rng.integers(-(1 << 25), 1 << 25, pn) >> rng.integers(0, 26, pn)
        self.mult1 = np.where(rng.random(pn) < 0.1, 0, rng.integers(1 << 15, 1 << 16, pn))
        self.shift1 = rng.integers(1, 48, pn)
        self.mult2 = np.where(rng.random(pn) < 0.1, 0, rng.integers(1 << 15, 1 << 16, pn))
        self.shift2 = rng.integers(1, 48, pn)

    def pack(self, record: Record) -> int:
        widths = {"bias": 32, "mult1": 16, "shift1": 8, "mult2": 16, "shift2": 8}
        return record.pack(**{name: lanes(getattr(self, name).tolist(), w) for name, w in widths.items()})


def sums(rng: np.random.Generator, params: Parameters) -> Ints:
    """Complete sums: with the bias within 27 bits; where stage 1 leaves something, mostly of GELU's range."""
    limit = (1 << (ACC_BITS - 1)) - 1
    pn = len(params.bias)
    wanted = rng.choice([300, 1 << 11, 1 << 16, 1 << 23], pn)
    size = np.clip(wanted << np.clip(params.shift1 - 15, 0, 30), 1, limit)
    biased = rng.integers(-size, size + 1)
    biased = np.where(rng.random(pn) < 0.05, rng.choice([-limit - 1, limit, 0], pn), biased)
    return np.clip(biased - params.bias, -limit - 1, limit)


@cocotb.test()
async def passes(dut: Any) -> None:
    hw = bench_config()
    rng = np.random.default_rng(cocotb.RANDOM_SEED)
    record, block = Record("token_t", hw), Record("param_block_t", hw)
    mantissa_at, result_at, early = (int(cocotb.plusargs[k]) for k in ("mantissa", "latency", "early"))
    valid_bit = 1 << (record.bits - 1)
    quiet = {"token_o": valid_bit, "early_token_o": valid_bit, "params_taken_o": 1}
    plan = Timeline(dut, {"token_i": 0}, quiet)
    limit = (1 << (ACC_BITS - 1)) - 1
    cycle = 0
    for number in range(PASSES):
        params = Parameters(rng, hw.pn)
        first = cycle
        rows = random.choice([1, 2, 15, 16, 17, 24])
        last_k = random.random() < 0.7  # other passes only pass by
        fn, scale2 = random.choice(list(Function)), random.choice(list(Scale2))
        for row in range(rows):
            while random.random() < 0.15:
                cycle += 1
            if row == 0:
                first = cycle
                plan.drive(first, params_i=params.pack(block))
            flags = {
                "fn": fn,
                "scale2": scale2,
                "shift2": random.randint(1, 24),
                "score": random.randint(0, 32768),
            }
            noise = {"row": row, "dst_addr": random.getrandbits(16), "first_k": random.getrandbits(1)}
            token = record.pack(valid=1, last_k=last_k, swap=row == 0, **flags, **noise)
            plan.drive(cycle, token_i=token)
            if not last_k:
                cycle += 1
                continue
            total = sums(rng, params)
            assert abs(total + params.bias).max() <= limit + 1
            mantissa, shift = random.randint(1 << 15, (1 << 16) - 1), random.randint(16, 39)
            plan.drive(cycle + TOTAL_AT, total_i=total)
            plan.drive(cycle + mantissa_at, mantissa_i=mantissa, recip_shift_i=shift)
            y = requantize(total, params.bias, params.mult1, params.shift1)
            g = ACTIVATIONS[fn.name.lower()](y)
            match scale2:
                case Scale2.NONE:
                    z = g
                case Scale2.CHANNEL:
                    z = rescale(g, params.mult2, params.shift2)
                case Scale2.SCORE:
                    z = rescale(g, np.int64(flags["score"]), flags["shift2"])
                case Scale2.RECIP:
                    z = rescale(g, np.int64(mantissa), shift + flags["shift2"])
            what = f"pass {number} row {row}, {fn.name}, {scale2.name}"
            plan.expect(cycle + result_at, what, token_o=token, z_o=saturate(z, 16))
            plan.expect(cycle + result_at - early, what, early_token_o=token)
            if row == 0:
                plan.expect(cycle + PARAMS_AT, what, params_taken_o=1)
            cycle += 1
        if last_k:  # held until they may change, noise (or the next ones) from then on
            for held in range(first, first + PARAMS_FREE):
                plan.drive(held, params_i=params.pack(block))
        cycle = max(cycle, first + MIN_PASS)
    await plan.run()
