# SPDX-License-Identifier: Apache-2.0
"""res_copy: residual rows go to other rows, whole and in order, a word per cycle."""

import random
from typing import Any

import cocotb

from peritus.arch.config import RESIDUAL_BITS
from peritus.arch.isa import Instruction, Opcode
from tests.rtl.benches.cycles import Cycles
from tests.rtl.benches.records import bench_config

WRITTEN = 3  # cycles from a read to its write


async def check(c: Cycles, memory: list[int], instruction: Instruction) -> None:
    """One instruction on words of any value."""
    i, anything = instruction, bench_config().pn * RESIDUAL_BITS
    words = [(t, nb) for t in range(i.tokens) for nb in range(i.n_tiles)]
    expected = [
        (i.dst_base + t * i.dst_stride + nb, memory[i.src_base + t * i.src_stride + nb]) for t, nb in words
    ]
    c.set(instr_i=i.encode(), start_i=1)
    await c.step()
    c.set(start_i=0)
    answers = [random.getrandbits(anything) for _ in range(2)]
    written: list[tuple[int, int]] = []
    for cycle in range(len(words) + WRITTEN):
        c.set(rdata_i=answers.pop(0))
        await c.settle()
        assert c.get("re_o") == (cycle < len(words)), f"cycle {cycle}"
        answers.append(memory[c.get("raddr_o")] if c.get("re_o") else random.getrandbits(anything))
        assert c.get("we_o") == (cycle >= WRITTEN), f"cycle {cycle}"
        if c.get("we_o"):
            written.append((c.get("waddr_o"), c.get("wdata_o")))
        assert c.get("done_o") == (cycle == len(words) + WRITTEN - 1), f"cycle {cycle}"
        await c.step()
    assert written == expected


@cocotb.test()
async def rows(dut: Any) -> None:
    c, hw = Cycles(dut), bench_config()
    await c.reset(start_i=0)
    memory = [random.getrandbits(hw.pn * RESIDUAL_BITS) for _ in range(hw.residual_words)]
    for tokens, words, source, target in (
        (1, 1, 0, 0),
        (1, 5, 7, 5),
        (9, 1, 1, 2),
        (7, 3, 3, 4),
        (6, 4, 11, 9),
    ):
        last = hw.residual_words - (tokens - 1) * max(source, target) - words
        fields = {"src_base": random.randrange(last + 1), "dst_base": random.randrange(last + 1)}
        strides = {"src_stride": source, "dst_stride": target}
        await check(c, memory, Instruction(Opcode.COPY, tokens=tokens, n_tiles=words, **fields, **strides))
        for _ in range(random.randint(0, 3)):
            await c.step()
