# SPDX-License-Identifier: Apache-2.0
"""resident: words come in order from wherever a stream begins, without a gap, out of both kinds of memory."""

import random
from typing import Any

import cocotb

from peritus.arch.config import RESIDENT_LATENCY
from tests.rtl.benches.cycles import Cycles, chance
from tests.rtl.benches.records import bench_config


@cocotb.test()
async def streams(dut: Any) -> None:
    hw, c = bench_config(), Cycles(dut)
    await c.reset(we_i=0, start_i=0, ready_i=0)
    words = [random.getrandbits(8 * hw.weight_word_bytes) for _ in range(hw.resident_words)]
    for address in random.sample(range(len(words)), len(words)):
        c.set(we_i=1, waddr_i=address, wdata_i=words[address])
        await c.step()
    c.set(we_i=0)
    boundary = hw.resident_words - hw.resident_block_words
    for begin in (0, max(0, boundary - 3), len(words) - 2, *random.sample(range(len(words)), 12)):
        ready = random.choice([0.2, 0.7, 1.0])
        c.set(start_i=1, start_addr_i=begin, ready_i=chance(ready))
        await c.step()
        started = c.count
        c.set(start_i=0)
        taken, wanted = 0, random.randint(1, 40)
        seen = False
        while taken < wanted:
            c.set(ready_i=chance(ready))
            await c.settle()
            valid = bool(c.get("valid_o"))
            assert valid or not seen, "a gap"
            assert valid == (c.count - started >= RESIDENT_LATENCY - 1), (
                f"{c.count - started} cycles after the start"
            )
            seen = valid
            if valid:
                assert c.get("data_o") == words[(begin + taken) % len(words)], f"word {taken} from {begin}"
            taken += valid and c.get("ready_i")
            await c.step()
