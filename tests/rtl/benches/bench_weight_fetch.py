# SPDX-License-Identifier: Apache-2.0
"""weight_fetch: order and addresses of requests, ring credit, drops in every state, restarts, guard."""

import random
from collections import deque
from dataclasses import dataclass
from typing import Any

import cocotb

from peritus.arch.isa import FetchEntry, runs
from tests.rtl.benches.cycles import Cycles, chance

TASK = 5
EXPERTS = 4  # of nano
BASE = 0x40_0000


@dataclass
class Traffic:
    """ready: of the ports; free: chance that the consumer ends a stripe; drop: that an expert is idle."""

    ready: float = 0.5
    free: float = 0.5
    drop: float = 0.4
    patience: int = 0  # cycles between the end of a segment and a drop
    routing: int = 20  # most cycles that a gate takes


def random_table(groups: int, longest: int) -> list[FetchEntry]:
    """Segments of 1..longest stripes, some for other tasks; in each group nobody's, then those of experts."""
    table: list[FetchEntry] = []

    def add(mask: int, **fields: int) -> None:
        size = random.choice([1, 2, longest, random.randint(1, longest)])
        table.append(FetchEntry(random.randrange(1 << 12), size, mask, **fields))

    for _ in range(groups):
        masks = [0xFFFF, 1 << TASK, 0xFFFF ^ (1 << TASK)]
        for _ in range(random.randrange(3)):
            add(random.choice(masks), cold_only=chance(0.2))
        mask = random.choice(masks)  # a gate's experts are of the same tasks
        for number in range(random.randint(1, EXPERTS)):
            add(mask, expert_valid=1, expert=number, first_of_gate=number == 0)
    return table


class Bench:
    """Fetch table, ports and a consumer that consumes or drops segment after segment."""

    def __init__(self, dut: Any) -> None:
        self.cycles = Cycles(dut)
        self.ports = int(cocotb.plusargs["axi_ports"])
        self.stripe_bytes = int(cocotb.plusargs["stripe_bytes"])
        self.ring = int(cocotb.plusargs["ring_stripes"])
        self.traffic = Traffic()
        self.requests = 0  # since reset: the port takes turns over all jobs
        self.used = 0  # requested and neither consumed nor skipped, as seen from outside
        self.drops = {"passed": 0, "before": 0, "during": 0, "after": 0}
        self.table: list[FetchEntry] = []
        self.cold = True
        self.reads: deque[int | None] = deque([None, None])

    async def reset(self, window: tuple[int, int] = (0, (1 << 40) - 1)) -> None:
        self.cycles.dut.window_i.value = window[0] << 40 | window[1]
        idle = {"start_i": 0, "seg_done_i": 0, "drop_valid_i": 0, "drop_stripes_i": 0, "freed_i": 0}
        idle |= {"gates_i": 0, "routed_i": 0, "idle_experts_i": 0}
        inputs = {"weight_base_i": BASE, "entries_i": 0, "task_i": TASK, "req_ready_i": 0}
        await self.cycles.reset(**inputs, next_valid_i=0, next_task_i=0, **idle)

    async def cycle(self) -> int | None:
        """One cycle of table and ports; returns the address of a stripe that was requested."""
        c = self.cycles
        entry = self.reads.popleft()
        c.set(table_rdata_i=random.getrandbits(64) if entry is None else self.table[entry].encode())
        c.set(req_ready_i=sum(chance(self.traffic.ready) << p for p in range(self.ports)))
        await c.settle()
        self.reads.append(c.get("table_raddr_o") if c.get("table_re_o") else None)
        taken = c.get("req_valid_o") & c.get("req_ready_i")
        assert c.get("req_valid_o") in (0, 1 << self.requests % self.ports)
        addr = None
        if taken:
            addr = c.get("req_addr_o")
            self.requests += 1
            self.used += 1
            assert self.used <= self.ring, "more stripes than the ring holds"
        return addr

    async def start(self, table: list[FetchEntry]) -> None:
        """Begin a job; whatever the last one left must be skipped."""
        c = self.cycles
        self.table = table
        self.cold = chance(0.5)
        c.set(entries_i=len(table), start_i=1, cold_i=self.cold)
        await self.cycle()
        assert c.get("skip_valid_o") and c.get("skip_stripes_o") == self.used
        self.used = 0
        await c.step()
        c.set(start_i=0)

    async def job(self, table: list[FetchEntry], abandon: int = 0) -> None:
        """Run a job, leaving the last `abandon` segments unconsumed."""
        c, t = self.cycles, self.traffic
        c.set(gates_i=0, routed_i=0)
        await self.start(table)
        segments = [e for e in table if runs(e, TASK, cold=self.cold)]
        length = [e.stripes for e in segments]  # shortened by drops
        seen = [0] * len(segments)
        fetching = consuming = freed = gate = wait = 0
        routing: int | None = None  # cycles until the gate has spoken
        idle = set()
        for _ in range(60_000):
            while fetching < len(segments) and seen[fetching] == length[fetching]:
                fetching += 1
            finished = consuming >= len(segments) - abandon
            if finished and fetching == len(segments):
                break
            c.set(freed_i=0, seg_done_i=0, drop_valid_i=0)
            wait += 1
            segment = None if finished else segments[consuming]
            if segment and segment.first_of_gate and freed == 0 and routing is None and wait == 1:
                gate, routing = gate + 1, random.randint(1, t.routing)
                c.set(gates_i=gate, routed_i=0)
            elif routing:
                routing -= 1
                if routing == 0:
                    idle = {expert for expert in range(EXPERTS) if chance(t.drop)}
                    c.set(routed_i=1, idle_experts_i=sum(1 << expert for expert in idle))
            dropping = segment is not None and bool(segment.expert_valid) and segment.expert in idle
            if segment and not routing:
                if dropping:
                    c.set(drop_valid_i=wait > t.patience, drop_stripes_i=segment.stripes)
                elif freed == segment.stripes:
                    c.set(seg_done_i=1)
                else:
                    c.set(freed_i=freed < seen[consuming] and chance(t.free))
            addr = await self.cycle()
            if addr is not None:
                while seen[fetching] == 0 and addr != self.address(segments[fetching]):
                    assert segments[fetching].expert_valid and segments[fetching].expert in idle, (
                        "passed over"
                    )
                    length[fetching], fetching = 0, fetching + 1
                assert addr == self.address(segments[fetching]) + seen[fetching] * self.stripe_bytes
                seen[fetching] += 1
            if c.get("freed_i"):
                freed += 1
                self.used -= 1
            dropped = c.get("drop_valid_i") and c.get("drop_ready_o")
            assert not c.get("skip_valid_o") or dropped
            if dropped:
                skipped = c.get("skip_stripes_o") if c.get("skip_valid_o") else 0
                # Requests leave a few cycles after they have been decided on.
                assert seen[consuming] <= skipped <= segments[consuming].stripes
                state = "passed" if not c.get("skip_valid_o") else "before" if skipped == 0 else "after"
                if skipped not in (0, segments[consuming].stripes):
                    state = "during"
                self.drops[state] += 1
                length[consuming] = skipped
                self.used -= skipped
            if dropped or c.get("seg_done_i"):
                consuming, freed, wait, routing = consuming + 1, 0, 0, None
            await c.step()
        else:
            raise AssertionError(f"stuck: consuming {consuming}, fetching {fetching} of {len(segments)}")
        c.set(freed_i=0, seg_done_i=0, drop_valid_i=0)
        for _ in range(20):
            assert await self.cycle() is None, "request behind the end of the table"
            await c.step()

    def address(self, segment: FetchEntry) -> int:
        return BASE + segment.offset * self.stripe_bytes


@cocotb.test()
async def consume_everything(dut: Any) -> None:
    bench = Bench(dut)
    await bench.reset()
    bench.traffic = Traffic(drop=0.0)
    for groups in (1, 2, 5):
        await bench.job(random_table(groups, 2 * bench.ring))
        assert bench.used == 0


@cocotb.test()
async def drops(dut: Any) -> None:
    bench = Bench(dut)
    await bench.reset()
    for _ in range(80):
        bench.traffic = Traffic(
            ready=random.choice([0.1, 0.6, 1.0]),
            free=random.choice([0.1, 1.0]),
            drop=random.choice([0.3, 0.7, 1.0]),
            patience=random.choice([0, 0, 3, 10, 30, 80]),
        )
        await bench.job(random_table(3, random.choice([2 * bench.ring, 3])))
        assert bench.used == 0
    assert min(bench.drops.values()) >= 2, bench.drops


@cocotb.test()
async def idle_experts_are_passed_over(dut: Any) -> None:
    """Known to be idle before the walk comes to them: no stripe of theirs is requested, all of the others."""
    bench = Bench(dut)
    c = bench.cycles
    await bench.reset()
    bench.traffic = Traffic(ready=1.0)
    gates = [[(gate, expert) for expert in range(EXPERTS)] for gate in (1, 2)]
    table = [
        FetchEntry(8 * gate + expert, 1, expert_valid=1, expert=expert, first_of_gate=expert == 0)
        for experts in gates
        for gate, expert in experts
    ]
    # The walk ends before the first gate has spoken, unless the ring is full: so it begins with it known.
    await bench.start(table)
    c.set(gates_i=1, routed_i=1, idle_experts_i=0b0101)
    found = []
    for _ in range(200):
        found.append(await bench.cycle())
        await c.step()
    walked = [(address - BASE) // bench.stripe_bytes for address in found if address is not None]
    assert walked == [8 + 1, 8 + 3, 16, 17, 18, 19], "of the second gate nothing is known"


@cocotb.test()
async def restart_skips_leftovers(dut: Any) -> None:
    bench = Bench(dut)
    await bench.reset()
    for _ in range(6):
        await bench.job(random_table(3, bench.ring // 4), abandon=3)
    assert bench.used > 0


@cocotb.test()
async def empty_table_and_foreign_task(dut: Any) -> None:
    bench = Bench(dut)
    await bench.reset()
    await bench.job([])
    await bench.job([FetchEntry(1, 4, 0xFFFF ^ (1 << TASK))] * 5)
    assert bench.requests == 0


@cocotb.test()
async def next_job_ahead(dut: Any) -> None:
    """Behind the table's end the walk begins for the job that waits; its start neither begins nor skips."""
    bench = Bench(dut)
    c = bench.cycles
    await bench.reset()
    bench.traffic = Traffic(ready=1.0)
    masks = (1 << TASK, 1 << (TASK ^ 1), 0xFFFF)
    table = [FetchEntry(8 * i, 1, masks[i % 3], 0, 0, i % 4 == 0) for i in range(min(12, bench.ring // 4))]

    async def requested(cycles: int = 200) -> list[int | None]:
        found = []
        for _ in range(cycles):
            found.append(await bench.cycle())
            assert not c.get("skip_valid_o")
            await c.step()
        return [(address - BASE) // bench.stripe_bytes for address in found if address is not None]

    def of(task: int, cold: bool) -> list[int]:
        return [entry.offset for entry in table if runs(entry, task, cold=cold)]

    await bench.start(table)
    assert await requested() == of(TASK, bench.cold)
    task = TASK
    for _ in range(3):  # the one behind, and its start
        task ^= 1
        c.set(next_valid_i=1, next_task_i=task)
        ahead = of(task, cold=False)
        assert await requested() == ahead, "not asked for ahead, or not once"
        c.set(start_i=1, task_i=task, cold_i=0, next_valid_i=0)
        assert await requested(1) == []
        c.set(start_i=0)
        assert await requested() == []
        while bench.used > len(ahead):  # what the job before has not consumed is still in front
            bench.used -= 1
            c.set(freed_i=1, seg_done_i=1)
            await requested(1)
        c.set(freed_i=0, seg_done_i=0)
    c.set(task_i=TASK)
    await bench.start(table)


@cocotb.test()
async def guard(dut: Any) -> None:
    """A stripe outside the window is not requested; the entry is named; nothing follows until reset."""
    bench = Bench(dut)
    size = bench.stripe_bytes
    await bench.reset((BASE, BASE + 40 * size))
    bench.traffic = Traffic(ready=1.0)
    await bench.start(
        [FetchEntry(0, 2), FetchEntry(38, 2), FetchEntry(5, 1, 0), FetchEntry(39, 2), FetchEntry(0, 1)]
    )
    found = []
    for _ in range(120):
        found.append(await bench.cycle())
        await bench.cycles.step()
    wanted = [BASE + s * size for s in (0, 1, 38, 39, 39)]
    assert [a for a in found if a is not None] == wanted
    assert bench.cycles.get("violation_o") and bench.cycles.get("req_addr_o") == BASE + 40 * size
    assert bench.cycles.get("entry_o") == 3


@cocotb.test()
async def misaligned_base(dut: Any) -> None:
    bench = Bench(dut)
    await bench.reset()
    bench.cycles.set(weight_base_i=BASE + 64)
    await bench.start([FetchEntry(0, 2)])
    for _ in range(40):
        assert await bench.cycle() is None
        await bench.cycles.step()
    assert bench.cycles.get("violation_o")


@cocotb.test()
async def latency(dut: Any) -> None:
    """Cycles after start_i at which requests leave, as the header of peritus_weight_fetch.sv says."""
    bench = Bench(dut)
    await bench.reset()
    bench.traffic = Traffic(ready=1.0)
    begin = bench.cycles.count
    await bench.start([FetchEntry(0, 2), FetchEntry(9, 1), FetchEntry(0, 1, 0), FetchEntry(4, 1)])
    found = []
    for _ in range(60):
        if await bench.cycle() is not None:
            found.append(bench.cycles.count - begin)
        await bench.cycles.step()
    assert found == [9, 12, 18, 29]  # the second request waited one cycle for the guard
