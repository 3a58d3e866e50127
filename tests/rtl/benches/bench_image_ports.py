# SPDX-License-Identifier: Apache-2.0
"""image_ports: bursts in turn over the ports, beats back in order, whatever port is slow."""

import random
from collections import deque
from typing import Any

import cocotb

from tests.rtl.benches.cycles import Cycles, chance
from tests.rtl.benches.records import bench_config

PORT_BURSTS = 8  # as in the module
WORD = 64  # bits of a beat that are looked at


async def play(c: Cycles, lengths: list[int], accept: list[float], deliver: list[float]) -> int:
    """Ask for bursts of these lengths; chances per cycle of each port. Returns the cycles it took."""
    hw = bench_config()
    ports, beat_bits = hw.axi_ports, 8 * hw.axi_data_bytes
    queues: list[deque[int]] = [deque() for _ in range(ports)]  # beats that a port owes
    asked = [0] * ports  # bursts that a port has been asked for and that have not left
    burst_of: deque[tuple[int, bool]] = deque()  # of each beat to come: its port, is it the last
    expected: deque[int] = deque()
    number = taken = 0
    begin = c.count
    while taken < sum(lengths):
        assert c.count - begin < 100 * sum(lengths) + 1000, f"{taken} of {sum(lengths)} beats came"
        valid = number < len(lengths)
        ready = [chance(p) for p in accept]
        beats = lengths[number] if valid else random.getrandbits(5)
        c.set(req_valid_i=valid, req_beats_i=beats, req_ready_i=sum(r << p for p, r in enumerate(ready)))
        sent = [bool(queue) and chance(deliver[p]) for p, queue in enumerate(queues)]
        data = [queue.popleft() if sent[p] else random.getrandbits(WORD) for p, queue in enumerate(queues)]
        c.set(
            beat_valid_i=sum(s << p for p, s in enumerate(sent)),
            beat_data_i=sum(d << p * beat_bits for p, d in enumerate(data)),
        )
        await c.settle()
        if c.get("beat_valid_o"):
            assert c.get("beat_data_o") == expected.popleft(), f"beat {taken}"
            port, last = burst_of.popleft()
            asked[port] -= last
            taken += 1
        if valid and c.get("req_ready_o"):
            port = number % ports
            assert c.get("req_valid_o") == 1 << port and ready[port]
            asked[port] += 1
            # The module counts a burst as gone one cycle before its last beat is seen here.
            assert asked[port] <= PORT_BURSTS + 1
            for i in range(beats):
                value = random.getrandbits(WORD)
                queues[port].append(value)
                expected.append(value)
                burst_of.append((port, i == beats - 1))
            number += 1
        await c.step()
    return c.count - begin


async def started(dut: Any) -> Cycles:
    """Out of reset, nothing asked for."""
    cycles = Cycles(dut)
    await cycles.reset(req_valid_i=0, req_beats_i=0, req_ready_i=0, beat_valid_i=0)
    return cycles


@cocotb.test()
async def order_is_kept(dut: Any) -> None:
    ports, cycles = bench_config().axi_ports, await started(dut)
    for _ in range(6):
        lengths = [random.choice([1, 2, 15, 16, 16, 16]) for _ in range(40)]
        accept = [random.choice([0.1, 0.5, 1.0]) for _ in range(ports)]
        deliver = [random.choice([0.05, 0.3, 1.0]) for _ in range(ports)]
        await play(cycles, lengths, accept, deliver)


@cocotb.test()
async def one_beat_per_cycle(dut: Any) -> None:
    """Ports that deliver their share are enough."""
    ports = bench_config().axi_ports
    lengths = [16] * 40
    taken = await play(await started(dut), lengths, [1.0] * ports, [1.0] * ports)
    assert taken <= sum(lengths) + 40
