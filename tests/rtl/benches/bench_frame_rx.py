# SPDX-License-Identifier: Apache-2.0
"""frame_rx against the host's own frames: whole, damaged, cut, joined, missed."""

import random
from typing import Any

import cocotb

from peritus.arch.link import CRC_BYTES, ESCAPE, FLAG
from peritus.runtime.serial.frame import encode
from tests.rtl.benches.cycles import Cycles, chance


class Bench:
    """Feeds bytes; frames collects (body, ok)."""

    def __init__(self, cycles: Cycles) -> None:
        self.cycles = cycles
        self.frames: list[tuple[bytes, bool]] = []
        self.body = bytearray()

    async def feed(self, data: bytes, enable: int = 1) -> None:
        for byte in data:
            while True:
                valid = chance(0.7)
                self.cycles.set(
                    valid_i=valid, data_i=byte if valid else random.randrange(256), enable_i=enable
                )
                await self.cycles.settle()
                if self.cycles.get("valid_o"):
                    self.body.append(self.cycles.get("data_o"))
                if self.cycles.get("end_o"):
                    self.frames.append((bytes(self.body[:-CRC_BYTES]), bool(self.cycles.get("ok_o"))))
                    self.body.clear()
                await self.cycles.step()
                if valid:
                    break


def some_body() -> bytes:
    count = random.choice([1, 8, 100, random.randint(1, 60)])
    return bytes(random.choice([FLAG, ESCAPE, random.randrange(256)]) for _ in range(count))


async def start(dut: Any) -> Bench:
    cycles = Cycles(dut)
    await cycles.reset(valid_i=0, enable_i=1)
    return Bench(cycles)


@cocotb.test()
async def whole_frames(dut: Any) -> None:
    """With flags of their own, with one flag between two, and with many."""
    bench = await start(dut)
    bodies = [some_body() for _ in range(40)]
    await bench.feed(b"noise before the first flag")
    for body in bodies:
        frame = encode(body)
        await bench.feed(
            random.choice([frame, frame[1:] if bench.frames else frame, bytes([FLAG] * 3) + frame])
        )
    assert bench.frames == [(body, True) for body in bodies]


@cocotb.test()
async def damaged_frames(dut: Any) -> None:
    """A flipped bit, a lost byte, two frames run together: never ok, and the next frame is."""
    bench = await start(dut)
    for _ in range(60):
        frame = bytearray(encode(some_body()))
        at = random.randrange(1, len(frame) - 1)
        if chance(0.5):
            frame[at] ^= 1 << random.randrange(8)
        else:
            del frame[at]
        await bench.feed(bytes(frame))
        assert not any(ok for _, ok in bench.frames)
        body = some_body()
        await bench.feed(encode(body))
        assert bench.frames.pop() == (body, True)
        bench.frames.clear()


@cocotb.test()
async def what_began_while_nobody_listened(dut: Any) -> None:
    bench = await start(dut)
    for _ in range(10):
        missed, body = encode(some_body() + b"end"), some_body()
        cut = random.randrange(1, len(missed) - 1)
        await bench.feed(missed[:cut], enable=0)
        await bench.feed(missed[cut:])
        await bench.feed(encode(body))
        assert bench.frames == [(body, True)]
        bench.frames.clear()
