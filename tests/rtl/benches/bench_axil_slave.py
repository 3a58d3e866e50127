# SPDX-License-Identifier: Apache-2.0
"""axil_slave between an AXI4-Lite master, impatient or slow, and a register file of eight words."""

import random
from collections import deque
from typing import Any

import cocotb

from tests.rtl.benches.cycles import Cycles, chance

WORDS = 8
ACCESSES = 600
OKAY, SLVERR = 0b00, 0b10


@cocotb.test()
async def random_accesses(dut: Any) -> None:
    """Writes end in order, those of some bytes in an error and without effect; reads see what was written."""
    bench = Cycles(dut)
    await bench.reset(
        awvalid_i=0, wvalid_i=0, bready_i=0, arvalid_i=0, rready_i=0, wr_ack_i=0, rd_ack_i=0, rd_data_i=0
    )
    memory = [0] * WORDS  # what the register file holds
    addresses: deque[int] = deque()  # writes accepted, data and address each on their own
    datas: deque[tuple[int, int]] = deque()
    writes: deque[tuple[int, int]] = deque()  # what the register file must be asked next
    reads: deque[int] = deque()
    responses: deque[int] = deque()
    due, answer = 0, 0  # cycles until the register file answers the one read that it has, 0: none; and what
    sent = {"aw": 0, "w": 0, "ar": 0}
    offered: dict[str, tuple[int, ...]] = {}  # a valid stays until it is taken
    written = read = turns = 0
    last_was_write = None
    while written < ACCESSES or read < ACCESSES:
        eager = bench.count // 500 % 2
        for channel in ("aw", "w", "ar"):
            if channel not in offered and sent[channel] < ACCESSES and chance(0.9 if eager else 0.2):
                word = 4 * random.randrange(WORDS) + random.randrange(4)  # bits 1:0 mean nothing
                offered[channel] = (
                    (random.getrandbits(32), random.choice([0, 0b0011, 0b1110, *[0b1111] * 9]))
                    if channel == "w"
                    else (word,)
                )
        bench.set(
            awvalid_i="aw" in offered, wvalid_i="w" in offered, arvalid_i="ar" in offered,
            bready_i=chance(0.9 if eager else 0.3), rready_i=chance(0.9 if eager else 0.3),
        )  # fmt: skip
        if "aw" in offered:
            bench.set(awaddr_i=offered["aw"][0])
        if "w" in offered:
            bench.set(wdata_i=offered["w"][0], wstrb_i=offered["w"][1])
        if "ar" in offered:
            bench.set(araddr_i=offered["ar"][0])

        # The register file: a write is answered in its cycle, a read later.
        await bench.settle()
        bench.set(wr_ack_i=0, rd_ack_i=0)
        if due:
            due -= 1
            if due == 0:
                bench.set(rd_ack_i=1, rd_data_i=answer)
        if bench.get("req_o"):
            assert not due
            is_write = bool(bench.get("req_wr_o"))
            turns += last_was_write is not None and last_was_write != is_write
            last_was_write = is_write
            if is_write:
                address, data = writes.popleft()
                assert (bench.get("addr_o"), bench.get("wr_data_o")) == (address & ~3, data)
                memory[address // 4] = data
                bench.set(wr_ack_i=1)
            else:
                address = reads.popleft()
                assert bench.get("addr_o") == address & ~3
                answer, due = memory[address // 4], random.choice([1, 1, 1, 4])

        await bench.settle()
        if bench.get("awvalid_i") and bench.get("awready_o"):
            addresses.append(offered.pop("aw")[0])
            sent["aw"] += 1
        if bench.get("wvalid_i") and bench.get("wready_o"):
            data, strobes = offered.pop("w")
            datas.append((data, strobes))
            sent["w"] += 1
        if bench.get("arvalid_i") and bench.get("arready_o"):
            reads.append(offered.pop("ar")[0])
            sent["ar"] += 1
        while addresses and datas:
            address, (data, strobes) = addresses.popleft(), datas.popleft()
            responses.append(OKAY if strobes in (0, 0b1111) else SLVERR)
            if strobes == 0b1111:
                writes.append((address, data))
        if bench.get("bvalid_o") and bench.get("bready_i"):
            assert bench.get("bresp_o") == responses.popleft()
            written += 1
        if bench.get("rvalid_o") and bench.get("rready_i"):
            assert bench.get("rresp_o") == OKAY
            assert bench.get("rdata_o") == answer
            read += 1
        await bench.step()
    assert written == read == ACCESSES
    assert not writes and not responses and turns > ACCESSES / 2, (
        "reads and writes that wait together take turns"
    )
