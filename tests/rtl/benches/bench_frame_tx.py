# SPDX-License-Identifier: Apache-2.0
"""frame_tx: byte for byte what the host's own encoder makes of the same bodies."""

import random
from typing import Any

import cocotb

from peritus.arch.link import ESCAPE, FLAG
from peritus.runtime.serial.frame import encode
from tests.rtl.benches.cycles import Cycles, chance


@cocotb.test()
async def frames(dut: Any) -> None:
    cycles = Cycles(dut)
    await cycles.reset(valid_i=0, ready_i=0)
    bodies = [
        bytes(random.choice([FLAG, ESCAPE, random.randrange(256)]) for _ in range(random.choice([1, 4, 50])))
        for _ in range(60)
    ]
    expected = b"".join(encode(body) for body in bodies)
    todo = [(byte, i == len(body) - 1) for body in bodies for i, byte in enumerate(body)]
    sent = bytearray()
    valid = False
    while len(sent) < len(expected):
        valid = bool(todo) and (valid or chance(0.8))  # offered until taken
        byte, last = todo[0] if valid else (random.randrange(256), chance(0.5))
        cycles.set(valid_i=valid, data_i=byte, last_i=last, ready_i=chance(0.6))
        await cycles.settle()
        if cycles.get("valid_o") and cycles.get("ready_i"):
            sent.append(cycles.get("data_o"))
        taken = valid and cycles.get("ready_o")
        await cycles.step()
        if taken:
            todo.pop(0)
            valid = False
    assert sent == expected
    await cycles.settle()
    assert cycles.get("idle_o") and not todo
