# SPDX-License-Identifier: Apache-2.0
"""axi_memory against a model: bursts both ways and the link at once, order, bursts that leave it."""

import random
from collections import deque
from typing import Any

import cocotb

from peritus.arch.link import BANK_WORDS
from tests.rtl.benches.cycles import Cycles, chance

BANKS = int(cocotb.plusargs["Banks"])
WORDS = BANKS * BANK_WORDS
OKAY, SLVERR = 0, 2
# A few words at the seams between banks, so that reads meet what was written.
SEAMS = [bank * BANK_WORDS for bank in range(1, BANKS)]
PLACES = [0, 1, *(seam + i for seam in SEAMS for i in range(-2, 2)), WORDS - 2, WORDS - 1]


class Bench:
    """Drives all three sides; the model follows in the order in which operations are accepted."""

    def __init__(self, cycles: Cycles) -> None:
        self.cycles = cycles
        self.content: dict[int, int] = {}
        self.asking = 0.5
        self.link: tuple[bool, int, int] | None = None  # write, word, data
        self.link_expected: deque[int] = deque()
        self.read: tuple[int, int] | None = None  # word, beats; offered on AR
        self.reading: deque[list[int]] = deque()  # word, beats left of accepted bursts
        self.expected: deque[tuple[int | None, int, int]] = deque()  # data, response, last
        self.write: tuple[int, int, bool] | None = None  # word, beats, strobes; offered on AW
        self.writing: list[Any] | None = None  # word, beats left, strobes
        self.responses: deque[int] = deque()
        self.done = {"link": 0, "read": 0, "write": 0, "error": 0}

    @staticmethod
    def _burst() -> tuple[int, int]:
        inside = random.choice([random.choice(PLACES), random.randrange(WORDS)])
        word = inside if chance(0.8) else WORDS + random.randrange(1 << 20)
        return word, random.choice([1, 16, random.randint(1, 16)])

    async def cycle(self) -> None:
        c = self.cycles
        if self.link is None and chance(self.asking / 8):
            self.link = chance(0.5), random.choice(PLACES), random.getrandbits(64)
        if self.read is None and len(self.reading) < 4 and chance(self.asking):
            self.read = self._burst()
        if self.write is None and self.writing is None and chance(self.asking / 4):
            self.write = (*self._burst(), chance(0.8))
        beat = self.writing is not None and chance(0.8)
        data = random.getrandbits(64)
        c.set(
            link_valid_i=self.link is not None,
            link_we_i=bool(self.link and self.link[0]),
            link_addr_i=self.link[1] if self.link else 0,
            link_wdata_i=self.link[2] if self.link else 0,
            arvalid_i=self.read is not None,
            araddr_i=8 * self.read[0] if self.read else 0,
            arlen_i=self.read[1] - 1 if self.read else 0,
            awvalid_i=self.write is not None,
            awaddr_i=8 * self.write[0] if self.write else 0,
            awlen_i=self.write[1] - 1 if self.write else 0,
            wvalid_i=beat,
            wdata_i=data,
            wstrb_i=0xFF if self.writing and self.writing[3] else 0,
            wlast_i=bool(self.writing and self.writing[1] == 1),
            bready_i=chance(0.7),
        )
        await c.settle()
        self._operation(beat and bool(c.get("wready_o")), data)
        self._accept()
        if c.get("bvalid_o") and c.get("bready_i"):
            assert c.get("bresp_o") == self.responses.popleft()
            self.done["write"] += 1
        if c.get("rvalid_o"):
            found = (c.get("rdata_o"), c.get("rresp_o"), c.get("rlast_o"))
            wanted, response, last = self.expected.popleft()
            assert found[1:] == (response, last)
            assert response == SLVERR or wanted is None or found[0] == wanted
            self.done["read"] += last
            self.done["error"] += response == SLVERR
        if c.get("link_rvalid_o"):
            wanted = self.link_expected.popleft()
            assert wanted is None or c.get("link_rdata_o") == wanted
        await c.step()

    def _operation(self, write_beat: bool, data: int) -> None:
        """What the memory does in this cycle: link before write before read."""
        c = self.cycles
        if self.link is not None:
            assert c.get("link_ready_o") and not write_beat
            write, word, value = self.link
            if write:
                self.content[word] = value
            else:
                self.link_expected.append(self.content.get(word))
            self.link = None
            self.done["link"] += 1
        elif write_beat:
            assert self.writing is not None
            word, left, inside, strobes = self.writing
            if inside and strobes:
                self.content[word] = data
            self.writing = [word + 1, left - 1, inside, strobes] if left > 1 else None
            if left == 1:
                self.responses.append(OKAY if inside else SLVERR)
        elif self.reading:
            word, left, inside = self.reading[0]
            value = self.content.get(word) if inside else None
            self.expected.append((value, OKAY if inside else SLVERR, left == 1))
            self.reading[0] = [word + 1, left - 1, inside]
            if left == 1:
                self.reading.popleft()

    def _accept(self) -> None:
        c = self.cycles
        if self.read and c.get("arready_o"):
            word, beats = self.read
            self.reading.append([word, beats, word + beats <= WORDS])
            self.read = None
        if self.write and c.get("awready_o"):
            word, beats, strobes = self.write
            self.writing = [word, beats, word + beats <= WORDS, strobes]
            self.write = None


@cocotb.test()
async def everything_at_once(dut: Any) -> None:
    cycles = Cycles(dut)
    await cycles.reset(link_valid_i=0, arvalid_i=0, awvalid_i=0, wvalid_i=0, rready_i=1, bready_i=0)
    bench = Bench(cycles)
    for _ in range(8):
        bench.asking = random.choice([0.05, 0.5, 1.0])
        for _ in range(500):
            await bench.cycle()
    bench.asking = 0.0
    for _ in range(400):
        await bench.cycle()
    assert not bench.expected and not bench.link_expected and not bench.responses
    assert min(bench.done.values()) > 20, bench.done


@cocotb.test()
async def reads_come_without_gaps(dut: Any) -> None:
    """Bursts one after the other: a word every cycle, Banks + 4 cycles after the address."""
    cycles = Cycles(dut)
    await cycles.reset(
        link_valid_i=0, awvalid_i=0, wvalid_i=0, arvalid_i=1, araddr_i=0, arlen_i=15, rready_i=1
    )
    valid = []
    for _ in range(200):
        await cycles.settle()
        valid.append(cycles.get("rvalid_o"))
        await cycles.step()
    first = valid.index(1)
    assert first == BANKS + 4
    assert all(valid[first:])
