# SPDX-License-Identifier: Apache-2.0
"""write_back: every destination against peritus.reference, values at the limits of every saturation."""

import random
from collections import deque
from typing import Any

import cocotb
import numpy as np

from peritus.arch.config import RESIDUAL_BITS
from peritus.arch.isa import Dest
from peritus.reference import HIDDEN_ZERO_POINT, residual_accumulate, residual_add, stationary, to_int8
from tests.rtl.benches.records import Record, bench_config, lanes
from tests.rtl.benches.timeline import Timeline

EARLY = 3  # early_token_i runs ahead of token_i
VECTORS = 1500
REUSE = 4  # cycles until a residual word may come again
INT8 = [-32768, -129, -128, -127, -65, -64, -63, -1, 0, 1, 126, 127, 128, 190, 191, 192, 32767]
ENABLES = {
    Dest.ACT: "act_we_o",
    Dest.HIDDEN: "act_we_o",
    Dest.KV: "kv_we_o",
    Dest.SCORES: "score_we_o",
    Dest.ROUTER: "router_we_o",
}


@cocotb.test()
async def destinations(dut: Any) -> None:
    hw = bench_config()
    rng = np.random.default_rng(cocotb.RANDOM_SEED)
    record = Record("token_t", hw)
    quiet = dict.fromkeys((*ENABLES.values(), "res_we_o", "res_re_o", "retire_o"), 1)
    valid_bit = 1 << (record.bits - 1)
    plan = Timeline(
        dut,
        {"token_i": 0, "early_token_i": 0, "init_next_i": 0, "init_we_i": 0},
        {**quiet, "token_o": valid_bit},
    )
    near = rng.integers(-(1 << 15) - 4, -(1 << 15) + 5, 9)
    residual = rng.integers(-(1 << 19) + (1 << 15), (1 << 19) - (1 << 15), (hw.residual_words, hw.pn))
    residual[::3] = rng.choice(np.concatenate([near, -near, [0, -1, 1]]), residual[::3].shape)
    recent: deque[int] = deque(maxlen=REUSE)
    cycle = EARLY
    for vector in range(VECTORS):
        while random.random() < 0.2:
            cycle += 1
            recent.append(-1)
        dst = random.choice(list(Dest))
        addr = random.choice([a for a in range(hw.residual_words) if a not in recent])
        recent.append(addr)
        z = rng.integers(-(1 << 15), 1 << 15, hw.pn)
        if vector % 3 == 0:
            z = rng.choice(INT8, hw.pn)
        noise = {name: random.getrandbits(16) for name in ("row", "token", "score")}
        token = record.pack(valid=1, dst=dst, dst_addr=addr, **noise)
        plan.drive(cycle - EARLY, early_token_i=token)
        plan.drive(cycle, token_i=token, z_i=z)
        what = f"vector {vector} to {dst.name}"
        result: dict[str, int] = {"token_o": token, "retire_o": 1}
        result["addr_o" if dst in ENABLES else "res_addr_o"] = addr
        match dst:
            case Dest.ACT:
                result["byte_o"] = lanes(to_int8(z).tolist(), 8)
            case Dest.HIDDEN:
                result["byte_o"] = lanes(to_int8(z, HIDDEN_ZERO_POINT).tolist(), 8)
            case Dest.KV:
                result["byte_o"] = lanes(stationary(to_int8(z)).tolist(), 8)
            case Dest.SCORES | Dest.ROUTER:
                result["half_o"] = lanes(z.tolist(), 16)
            case _:
                old = residual[addr].copy()
                if dst is not Dest.RES_SET:
                    plan.drive(cycle - EARLY + 2, res_rdata_i=lanes(old.tolist(), RESIDUAL_BITS))
                    plan.expect(cycle - EARLY, what, res_re_o=1, res_raddr_o=addr)
                update = {Dest.RES_ADD: residual_add, Dest.RES_ACC: residual_accumulate}.get(dst)
                # Accumulations beyond 20 bits wrap; the compiler keeps them within.
                new = update(old, z) if update else z
                residual[addr] = (new + (1 << 19)) % (1 << 20) - (1 << 19)
                result["res_o"] = lanes(new.tolist(), RESIDUAL_BITS)
        plan.expect(cycle + 1, what, **result, **{ENABLES.get(dst, "res_we_o"): 1})
        cycle += 1
    # RES_INIT's words, when all results are written.
    for row in range(40):
        cycle += random.randint(1, 3)
        addr, word = random.randrange(hw.residual_words), rng.integers(-(1 << 15), 1 << 15, hw.pn)
        word_lanes = lanes(word.tolist(), RESIDUAL_BITS)
        plan.drive(cycle + 3, init_next_i=1)
        plan.drive(cycle + 4, init_we_i=1, init_addr_i=addr, init_data_i=word_lanes)
        plan.expect(cycle + 6, f"initial word {row}", res_we_o=1, res_addr_o=addr, res_o=word_lanes)
    await plan.run()
