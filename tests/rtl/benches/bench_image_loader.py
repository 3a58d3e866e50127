# SPDX-License-Identifier: Apache-2.0
"""image_loader against peritus.reference.patch_embed.image_patches, on images of many shapes."""

import random
from typing import Any

import cocotb
import numpy as np

from peritus.arch.isa import Instruction, Opcode
from peritus.reference.patch_embed import image_patches
from tests.rtl.benches.bench_burst_builder import bursts
from tests.rtl.benches.cycles import Cycles
from tests.rtl.benches.read_memory import ReadMemory

ALL = (1 << 40) - 1


class Bench:
    """One image at a time: run the instruction, return the activation memory it wrote."""

    def __init__(self, dut: Any) -> None:
        self.cycles = Cycles(dut)
        self.pn, self.beat = (int(cocotb.plusargs[k]) for k in ("pn", "axi_bytes"))
        self.words = int(cocotb.plusargs["act_words"])
        self.act = np.zeros((self.words, self.pn), np.int8)

    async def reset(self, window: tuple[int, int] = (0, ALL)) -> None:
        self.cycles.dut.window_i.value = window[0] << 40 | window[1]
        await self.cycles.reset(valid_i=0, req_ready_i=0, beat_valid_i=0)

    def _write(self) -> None:
        c = self.cycles
        if c.get("we_o"):
            word = c.get("wdata_o").to_bytes(self.pn, "little")
            for chunk in range(self.pn // self.beat):
                if c.get("wbe_o") >> chunk & 1:
                    lanes = slice(chunk * self.beat, (chunk + 1) * self.beat)
                    self.act[c.get("waddr_o"), lanes] = np.frombuffer(word[lanes], np.int8)

    async def start(self, instruction: Instruction, addr: int) -> None:
        c = self.cycles
        assert c.get("ready_o")
        c.set(valid_i=1, instr_i=instruction.encode(), image_addr_i=addr)
        await c.step()
        c.set(valid_i=0)
        await c.step()  # the instruction stays a cycle longer
        c.set(instr_i=random.getrandbits(256))

    async def load(self, instruction: Instruction, memory: ReadMemory) -> int:
        """Returns the cycles it took."""
        c = self.cycles
        begin = c.count
        await self.start(instruction, memory.base)
        for _ in range(40_000):
            memory.drive()
            await c.settle()
            memory.sample()
            done = c.get("done_o")
            self._write()
            await c.step()
            if done:
                assert memory.idle
                return c.count - begin
            assert not c.get("violation_o")
        raise AssertionError("done_o never came")


def load_instruction(bench: Bench, image: Any, patch: int, dst_base: int, dst_stride: int) -> Instruction:
    height, width, channels = image.shape
    return Instruction(
        Opcode.LOAD_IMAGE,
        keys=height // patch,
        k_tiles=patch,
        tokens=width // patch,
        n_tiles=patch * channels // bench.beat,
        dst_base=dst_base,
        dst_stride=dst_stride,
    )


@cocotb.test()
async def shapes(dut: Any) -> None:
    bench = Bench(dut)
    await bench.reset()
    rng = np.random.default_rng(cocotb.RANDOM_SEED)
    # rows x columns of patches, patch size; 16 x 16 x 3 is the patch of ViT-Tiny
    for rows, columns, patch in [(1, 1, 16), (2, 4, 16), (1, 3, 16), (3, 1, 16), (2, 2, 8 * bench.beat // 8)]:
        image = rng.integers(0, 256, (rows * patch, columns * patch, 3), np.uint8)
        words = -(-patch * patch * 3 // bench.pn)
        stride = words + random.choice([0, 1])
        base = random.randrange(bench.words - rows * columns * stride + 1)
        addr = random.randrange(1 << 20) * 64
        memory = ReadMemory(bench.cycles, image.tobytes(), addr, bench.beat)
        memory.ready, memory.valid = random.choice([(1.0, 1.0), (0.3, 0.4), (1.0, 0.2)])
        bench.act[:] = 77
        await bench.load(load_instruction(bench, image, patch, base, stride), memory)
        assert memory.requests == bursts(addr, image.size // bench.beat, bench.beat, 16)
        expected = np.full_like(bench.act, 77)
        for token, vector in enumerate(image_patches(image, patch)):
            expected[base + token * stride :][:words].reshape(-1)[: vector.size] = vector
        np.testing.assert_array_equal(bench.act, expected)


@cocotb.test()
async def full_rate(dut: Any) -> None:
    """One beat per cycle when memory delivers."""
    bench = Bench(dut)
    await bench.reset()
    image = np.random.default_rng(1).integers(0, 256, (32, 64, 3), np.uint8)
    memory = ReadMemory(bench.cycles, image.tobytes(), 0, bench.beat)
    memory.ready, memory.valid, memory.latency = 1.0, 1.0, 20
    cycles = await bench.load(load_instruction(bench, image, 16, 0, 768 // bench.pn), memory)
    assert cycles <= image.size // bench.beat + 60


@cocotb.test()
async def outside_window(dut: Any) -> None:
    """The burst that leaves the window is refused, those before it have passed; reset recovers."""
    bench = Bench(dut)
    image = np.zeros((16, 64, 3), np.uint8)
    instruction = load_instruction(bench, image, 16, 0, 768 // bench.pn)
    base = 0x1000
    await bench.reset((base, base + image.size - 1))
    memory = ReadMemory(bench.cycles, image.tobytes(), base, bench.beat)
    memory.ready = memory.valid = 1.0
    await bench.start(instruction, base)
    for _ in range(2000):
        memory.drive()
        await bench.cycles.settle()
        memory.sample()
        assert not bench.cycles.get("done_o")
        await bench.cycles.step()
    wanted = bursts(base, image.size // bench.beat, bench.beat, 16)
    assert memory.requests == wanted[:-1]
    assert bench.cycles.get("violation_o") and bench.cycles.get("req_addr_o") == wanted[-1][0]
    await bench.reset((base, base + image.size))
    memory = ReadMemory(bench.cycles, image.tobytes(), base, bench.beat)
    await bench.load(instruction, memory)
