# SPDX-License-Identifier: Apache-2.0
"""program_memory: instructions and fetch entries written beat by beat read back as encoded."""

import random
from typing import Any

import cocotb

from peritus.arch.isa import FetchEntry, Instruction, Opcode
from tests.rtl.benches.cycles import Cycles, chance


@cocotb.test()
async def tables(dut: Any) -> None:
    beat, program_depth, fetch_depth = (
        int(cocotb.plusargs[k]) for k in ("axi_bytes", "program_depth", "fetch_depth")
    )
    c = Cycles(dut)
    await c.reset(we_i=0, exec_re_i=0, fetch_re_i=0)
    instructions = [
        Instruction(
            random.choice(list(Opcode)), tokens=random.getrandbits(12), imm=random.getrandbits(32)
        ).encode()
        for _ in range(program_depth)
    ]
    entries = [
        FetchEntry(random.getrandbits(23), random.getrandbits(16), random.getrandbits(16)).encode()
        for _ in range(fetch_depth)
    ]
    for table, image in (
        (0, b"".join(word.to_bytes(32, "little") for word in instructions)),
        (1, b"".join(word.to_bytes(8, "little") for word in entries)),
    ):
        for i in range(len(image) // beat):
            while chance(0.1):
                c.set(we_i=0, we_fetch_i=chance(0.5), wbeat_i=random.randrange(8), wdata_i=0)
                await c.step()
            data = int.from_bytes(image[i * beat : (i + 1) * beat], "little")
            c.set(we_i=1, we_fetch_i=table, wbeat_i=i, wdata_i=data)
            await c.step()
    c.set(we_i=0)
    # Reads on both ports, each data two cycles after its address.
    wanted: list[tuple[int | None, int | None]] = [(None, None), (None, None)]
    for _ in range(600):
        i, j = random.randrange(program_depth), random.randrange(fetch_depth)
        exec_re, fetch_re = chance(0.7), chance(0.7)
        c.set(exec_re_i=exec_re, exec_raddr_i=i, fetch_re_i=fetch_re, fetch_raddr_i=j)
        await c.settle()
        instruction, entry = wanted.pop(0)
        if instruction is not None:
            assert c.get("exec_rdata_o") == instruction
        if entry is not None:
            assert c.get("fetch_rdata_o") == entry
        wanted.append((instructions[i] if exec_re else None, entries[j] if fetch_re else None))
        await c.step()
