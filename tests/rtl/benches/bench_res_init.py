# SPDX-License-Identifier: Apache-2.0
"""res_init: table words of a stalling weight stream go to their residual words, in order, nowhere else."""

import random
from typing import Any

import cocotb

from peritus.arch.config import RESIDUAL_BITS
from peritus.arch.isa import Instruction, Opcode
from tests.rtl.benches.cycles import Cycles, chance
from tests.rtl.benches.records import bench_config, lanes, unlanes


async def check(c: Cycles, instruction: Instruction, valid: float) -> int:
    """One instruction; returns the cycles from start_i to done_o."""
    hw = bench_config()
    rows, words = instruction.tokens, instruction.n_tiles
    table = [[random.randint(-(1 << 15), (1 << 15) - 1) for _ in range(hw.pn)] for _ in range(rows * words)]
    table[0][:2] = [-(1 << 15), (1 << 15) - 1]
    base, stride = instruction.dst_base, instruction.dst_stride
    expected = [(base + t * stride + nb, table[t * words + nb]) for t in range(rows) for nb in range(words)]
    c.set(instr_i=instruction.encode(), start_i=1, w_valid_i=0)
    await c.step()
    c.set(start_i=0)
    started, taken, written = c.count, 0, 0
    offered, done = False, False
    while not done:
        offered = taken < len(table) and (offered or chance(valid))
        c.set(w_valid_i=offered, w_data_i=lanes(table[taken] if offered else [0], 16))
        await c.settle()
        keeps = instruction.opcode is Opcode.KEEP
        assert not c.get("we_o" if keeps else "keep_we_o"), "writes the other memory"
        if c.get("keep_we_o" if keeps else "we_o"):
            data = unlanes(c.get("wdata_o"), hw.pn, RESIDUAL_BITS)
            assert (c.get("waddr_o"), data) == expected[written], f"write {written}"
            written += 1
        done = bool(c.get("done_o"))
        if offered and c.get("w_ready_o"):
            taken, offered = taken + 1, False
        await c.step()
    assert taken == written == len(table), f"{taken} words taken, {written} written of {len(table)}"
    return c.count - started


@cocotb.test()
async def tables(dut: Any) -> None:
    c, hw = Cycles(dut), bench_config()
    await c.reset(start_i=0, w_valid_i=1)
    await c.settle()
    assert not c.get("w_ready_o"), "takes words while idle"
    for rows, words, stride in ((1, 1, 0), (1, 5, 7), (9, 1, 1), (7, 3, 3), (6, 4, 11)):
        base = random.randrange(hw.residual_words - (rows - 1) * stride - words + 1)
        fields = {"tokens": rows, "n_tiles": words, "dst_base": base, "dst_stride": stride}
        for valid in (1.0, 0.4):
            opcode = random.choice([Opcode.RES_INIT, Opcode.KEEP])
            cycles = await check(c, Instruction(opcode, **fields), valid)
            assert valid < 1.0 or cycles == rows * words + 1, f"{cycles} cycles for {rows * words} words"
        for _ in range(random.randint(0, 3)):
            await c.step()
