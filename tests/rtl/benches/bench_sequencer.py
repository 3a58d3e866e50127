# SPDX-License-Identifier: Apache-2.0
"""sequencer: random programs dispatched in order, with the waits each instruction asks for; every error.

The bench is what the sequencer commands: GEMM pipeline, router counts, units, weight stream, program memory.
"""

import random
from collections import deque
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import cocotb

from peritus.arch.isa import Dest, Instruction, Opcode, runs
from tests.common.bad_counts import SMALLEST, bad_counts, limits
from tests.rtl.benches.cycles import Cycles, chance
from tests.rtl.benches.records import Record, bench_config

QUEUES = "expert_count_i"
UNITS = {
    Opcode.LOAD_IMAGE: ("image_valid_o", "image_ready_i"),
    Opcode.STORE: ("store_valid_o", "store_ready_i"),
    Opcode.LAYERNORM: ("layernorm_start_o", None),
    Opcode.RES_INIT: ("res_init_start_o", None),
    Opcode.KEEP: ("res_init_start_o", None),
    Opcode.COPY: ("res_copy_start_o", None),
}
STREAMS = (Opcode.LAYERNORM, Opcode.RES_INIT, Opcode.KEEP)  # take words of the weight stream
STOPPED = 10


@dataclass
class Event:
    """One thing the sequencer must do: kind is an opcode, or "drop"."""

    kind: Opcode | str
    instruction: Instruction
    count: int = 0


class Bench:
    """Surroundings of the sequencer; `run` plays one job."""

    def __init__(self, dut: Any) -> None:
        self.dut, self.hw = dut, bench_config()
        self.cycles = Cycles(dut)
        self.gemm, self.job = Record("gemm_t", self.hw), Record("job_t", self.hw)
        self.loader_until = self.idle_until = 0  # cycles in which loader and pipeline become idle
        self.stripe_words = self.hw.stripe_words

    async def reset(self) -> None:
        inputs = "job_valid_i gemm_ready_i loader_idle_i all_idle_i image_ready_i store_ready_i unit_done_i"
        inputs += " store_done_i unit_pop_i w_valid_i drop_ready_i err_i"
        await self.cycles.reset(**dict.fromkeys(inputs.split(), 0))
        self.loader_until = self.idle_until = 0

    def events(
        self, program: list[Instruction], task: int, features: bool, cold: bool, counts: list[int]
    ) -> deque[Event]:
        """What the program must lead to, up to END; counts: queue lengths after the (only) router."""
        events: deque[Event] = deque()
        for x in program:
            if not runs(x, task, cold=cold) or (x.features_only and not features):
                continue
            if x.opcode is Opcode.END:
                break
            count = counts[x.expert] if x.expert_valid else x.tokens
            events.append(Event("drop" if x.opcode is Opcode.GEMM and not count else x.opcode, x, count))
        return events

    async def run(self, program: list[Instruction], task: int, features: bool, counts: list[int]) -> None:
        c, hw = self.cycles, self.hw
        encoded = [x.encode() for x in program]
        cold = chance(0.5)
        events = self.events(program, task, features, cold, counts)
        seq = random.getrandbits(32)
        job = self.job.pack(seq=seq, task_id=task, features_en=features, cold=cold)
        c.set(job_valid_i=1, job_i=job)
        reads: deque[int | None] = deque([None, None])
        unit: Event | None = None  # running
        storing: int | None = None  # cycles until the result is written
        pops = unit_left = padding = 0
        starts, done, gated, routed, store_pc = 0, False, False, False, 0
        while not done:
            now = c.count
            pc = reads.popleft()
            c.set(prog_rdata_i=random.getrandbits(256) if pc is None else encoded[pc])
            all_idle, loader_idle = now >= self.idle_until, now >= self.loader_until
            # Queue lengths are noise until the gate's last logits are in.
            routed = routed or (gated and all_idle)
            for i, handle in enumerate(getattr(self.dut, QUEUES)):
                handle.value = counts[i] if routed else random.randint(0, hw.acc_depth)
            pop = unit is not None and pops > 0 and chance(0.5)
            unit_done = unit is not None and not pops and unit_left == 0
            unit_left = max(unit_left - 1, 0)
            storing = None if storing is None else storing - 1
            word = chance(0.5)
            c.set(all_idle_i=all_idle, loader_idle_i=loader_idle, gemm_ready_i=chance(0.6))
            c.set(image_ready_i=chance(0.5), store_ready_i=chance(0.5), drop_ready_i=chance(0.3))
            c.set(unit_pop_i=pop, unit_done_i=unit_done, w_valid_i=word or pop)
            c.set(store_done_i=storing == 0)
            await c.settle()
            reads.append(c.get("prog_raddr_o") if c.get("prog_re_o") else None)
            starts += c.get("fetch_start_o")
            event = events[0] if events else None
            if c.get("gemm_valid_o") and c.get("gemm_ready_i"):
                assert event is not None and event.kind is Opcode.GEMM and unit is None, (
                    f"GEMM instead of {event}"
                )
                x = event.instruction
                got = self.gemm.unpack(c.get("gemm_o"))
                assert got == {"instr": x.encode(), "count": event.count}, f"{event}"
                assert not x.sync or all_idle, f"{event} before everything earlier is done"
                assert storing is None, f"{event} while a result is written"
                assert c.get("router_start_o") == (x.dst is Dest.ROUTER)
                gated = gated or x.dst is Dest.ROUTER
                self.loader_until = max(self.loader_until, now) + random.choice([1, 5, 40])
                self.idle_until = max(self.idle_until, self.loader_until) + random.choice([1, 10, 60])
                events.popleft()
            else:
                assert not c.get("router_start_o")
            if c.get("drop_valid_o"):
                assert event is not None and event.kind == "drop" and unit is None, f"drop instead of {event}"
                assert loader_idle, "drop while earlier segments are being consumed"
                assert storing is None, f"{event} while a result is written"
                assert c.get("drop_stripes_o") == event.instruction.imm & 0xFFFF
                if c.get("drop_ready_i"):
                    events.popleft()
            store_begins = bool(c.get("store_valid_o"))
            for valid, ready in dict.fromkeys(UNITS.values()):
                if c.get(valid) and (ready is None or c.get(ready)):
                    assert event is not None and unit is None and UNITS.get(event.kind) == (valid, ready), (  # type: ignore[call-overload]
                        f"{valid} instead of {event}"
                    )
                    assert all_idle, f"{event} before everything earlier is done"
                    assert c.get("instr_o") == event.instruction.encode()
                    assert storing is None or event.kind is Opcode.LOAD_IMAGE, f"{event} while one is written"
                    if event.kind is Opcode.STORE:
                        storing = random.choice([1, 5, 30, 200])
                        store_pc = c.get("pc_o")
                        events.popleft()
                        break
                    unit = event
                    streams = event.kind in STREAMS
                    pops = random.randint(1, 4 * self.stripe_words) if streams else 0
                    padding = -pops % self.stripe_words
                    unit_left = random.choice([1, 5, 30])
            pops -= pop
            if c.get("pad_ready_o"):
                assert padding > 0, "pops beyond the end of the segment"
                padding -= word
            if unit_done and unit is not None:
                self.idle_until = now
                if unit.kind not in STREAMS:
                    events.popleft()
                    unit = None
            if c.get("seg_done_o"):
                assert unit is not None and padding == 0 and pops == 0, "seg_done_o before the segment's end"
                events.popleft()
                unit = None
            if storing is not None and not store_begins:
                assert c.get("store_pc_o") == store_pc
            done = bool(c.get("job_done_o"))
            accepted = c.get("job_ready_o") and c.get("job_valid_i")
            assert c.get("err_o") == 0
            if done:
                assert c.get("job_done_seq_o") == seq
                assert not events and unit is None, f"done before {events or unit}"
                assert all_idle and storing in (None, 0), "done before everything earlier is done"
            storing = None if storing == 0 else storing
            await c.step()
            if accepted:
                c.set(job_valid_i=0, job_i=random.getrandbits(self.job.bits))
        assert starts == 1, f"{starts} pulses of fetch_start_o"

    def random_instruction(self, task: int) -> Instruction:
        mask = random.choice([0xFFFF, 0xFFFF, 1 << task, 0xFFFF & ~(1 << task)])
        common = {
            "task_mask": mask,
            "features_only": chance(0.15),
            "cold_only": chance(0.15),
            "imm": random.getrandbits(32),
        }
        opcode = random.choice([*UNITS, *[Opcode.GEMM] * 6])
        if opcode is not Opcode.GEMM:
            largest = [x for x in limits(self.hw) if x.opcode is opcode]
            return replace(random.choice([SMALLEST[opcode], *largest]), **common)
        expert = {"expert_valid": 1, "expert": random.randrange(self.hw.max_experts)} if chance(0.4) else {}
        return Instruction(
            opcode,
            **common,
            **expert,
            sync=chance(0.2),
            wait_stream=chance(0.5),
            tokens=random.choice([1, self.hw.acc_depth, random.randint(1, self.hw.acc_depth)]),
            k_tiles=random.randint(1, 255),
            n_tiles=random.randint(1, 255),
        )

    async def expect_stop(self, word: int | None, cause: int, counts: list[int]) -> None:
        """A job whose first instruction is `word` stops with `cause`, until reset; None: there is no END."""
        c = self.cycles
        await self.reset()
        for handle, count in zip(getattr(self.dut, QUEUES), counts, strict=True):
            handle.value = count
        skipped = Instruction(Opcode.GEMM, task_mask=0).encode()
        c.set(job_valid_i=1, job_i=self.job.pack(task_id=0), all_idle_i=1, loader_idle_i=1)
        c.set(prog_rdata_i=skipped if word is None else word)
        for _ in range(10 if word is not None else 10 + 3 * self.hw.program_depth):
            await c.step()
        for _ in range(20):
            c.set(drop_ready_i=1, gemm_ready_i=1, unit_done_i=chance(0.5))
            await c.settle()
            assert c.get("err_o") == cause, f"cause {c.get('err_o')}, expected {cause}"
            assert c.get("state_o") == STOPPED and not c.get("job_ready_o")
            assert not any(c.get(n) for n in ("gemm_valid_o", "drop_valid_o", "prog_re_o", "job_done_o"))
            await c.step()
        assert c.get("pc_o") == (self.hw.program_depth if word is None else 0)


@cocotb.test()
async def random_programs(dut: Any) -> None:
    bench = Bench(dut)
    await bench.reset()
    hw = bench.hw
    for _ in range(12):
        task = random.randrange(16)
        counts = [random.choice([0, 0, 1, hw.acc_depth]) for _ in range(hw.max_experts)]
        program = [bench.random_instruction(task) for _ in range(random.choice([0, 1, 40]))]
        # The gate comes first; what its queues hold is known only when it is done.
        gate = Instruction(Opcode.GEMM, dst=Dest.ROUTER, tokens=5, k_tiles=1, n_tiles=1, width=4, top_k=1)
        noise = [Instruction(Opcode.GEMM, tokens=1, k_tiles=1, n_tiles=1) for _ in range(3)]
        await bench.run([gate, *program, Instruction(Opcode.END), *noise], task, chance(0.5), counts)


@cocotb.test()
async def next_job_behind_a_result(dut: Any) -> None:
    """While a job's result is written, the next one begins and loads its image; all else of it waits."""
    bench = Bench(dut)
    c = bench.cycles
    await bench.reset()
    store, image, norm = (
        SMALLEST[opcode].encode() for opcode in (Opcode.STORE, Opcode.LOAD_IMAGE, Opcode.LAYERNORM)
    )
    end = Instruction(Opcode.END).encode()
    ready = ("all_idle_i", "loader_idle_i", "image_ready_i", "store_ready_i", "drop_ready_i", "gemm_ready_i")
    c.set(**dict.fromkeys(ready, 1))

    async def until(output: str, program: list[int], **inputs: int) -> None:
        c.set(**inputs)
        for _ in range(40):
            await c.settle()
            c.set(prog_rdata_i=program[min(c.get("pc_o"), len(program) - 1)])
            if c.get(output):
                return
            await c.step()
        raise AssertionError(f"{output} never comes")

    async def silent(program: list[int], *outputs: str) -> None:
        for _ in range(40):
            await c.settle()
            c.set(prog_rdata_i=program[min(c.get("pc_o"), len(program) - 1)])
            assert not any(c.get(output) for output in outputs)
            await c.step()

    first, second, third = (bench.job.pack(seq=seq, task_id=0) for seq in (11, 22, 33))
    await until("store_valid_o", [store, end], job_valid_i=1, job_i=first)
    await c.step()
    await until("job_ready_o", [store, end], job_valid_i=0)
    await until("image_valid_o", [image, norm, end], job_valid_i=1, job_i=second)
    await c.step()
    c.set(unit_done_i=1)
    await silent([image, norm, end], "layernorm_start_o", "job_done_o", "job_ready_o")
    c.set(store_done_i=1, unit_done_i=0)
    await c.settle()
    assert c.get("job_done_o") and c.get("job_done_seq_o") == 11
    await c.step()
    await until("layernorm_start_o", [image, norm, end], store_done_i=0)
    # A job that ends before the one in front of it is reported after it.
    await bench.reset()
    c.set(**dict.fromkeys(ready, 1))
    await until("store_valid_o", [store, end], job_valid_i=1, job_i=first)
    await c.step()
    await until("job_ready_o", [store, end], job_valid_i=0)
    await until("fetch_start_o", [end], job_valid_i=1, job_i=second)
    c.set(job_i=third)
    await silent([end], "job_done_o", "job_ready_o")
    c.set(store_done_i=1)
    await c.settle()
    assert c.get("job_done_o") and c.get("job_done_seq_o") == 11
    await c.step()
    await until("job_done_o", [end], store_done_i=0)
    assert c.get("job_done_seq_o") == 22
    # A result that an error has cut off is no result.
    await bench.reset()
    c.set(**dict.fromkeys(ready, 1))
    await until("store_valid_o", [store, end], job_valid_i=1, job_i=first)
    await c.step()
    await until("job_ready_o", [store, end], job_valid_i=0)
    c.set(err_i=1, store_done_i=1)
    await silent([end], "job_done_o", "job_ready_o")


@cocotb.test()
async def dispatch_rate(dut: Any) -> None:
    """A GEMM every five cycles: sooner than the shortest pass ends."""
    bench = Bench(dut)
    c = bench.cycles
    await bench.reset()
    word = Instruction(Opcode.GEMM, tokens=1, k_tiles=1, n_tiles=1).encode()
    c.set(job_valid_i=1, job_i=0, gemm_ready_i=1, prog_rdata_i=word)
    dispatched = []
    while len(dispatched) < 10:
        await c.settle()
        if c.get("gemm_valid_o"):
            dispatched.append(c.count)
        await c.step()
    assert {b - a for a, b in pairwise(dispatched)} == {5}


@cocotb.test()
async def errors(dut: Any) -> None:
    """Counts beyond what there is, with busy and idle experts; unknown opcodes; no END."""
    bench = Bench(dut)
    hw = bench.hw
    busy, idle = [1] * hw.max_experts, [0] * hw.max_experts
    await bench.cycles.reset()
    await bench.expect_stop(None, 3, busy)
    for instruction in bad_counts(hw):
        for counts in (busy, idle):
            await bench.expect_stop(instruction.encode(), 2, counts)
    for opcode in (max(Opcode) + 1, 15):
        await bench.expect_stop(Instruction(Opcode.END).encode() | opcode, 1, busy)


@cocotb.test()
async def stop_on_error(dut: Any) -> None:
    """err_i stops in any state; only a reset ends it."""
    bench = Bench(dut)
    c = bench.cycles
    word = Instruction(Opcode.GEMM, tokens=1, k_tiles=1, n_tiles=1).encode()
    for cycles in range(12):
        await bench.reset()
        c.set(job_valid_i=1, job_i=0, gemm_ready_i=1, prog_rdata_i=word)
        for _ in range(cycles):
            await c.step()
        c.set(err_i=1)
        await c.step()
        c.set(err_i=0)
        for _ in range(8):
            await c.settle()
            assert c.get("state_o") == STOPPED and not c.get("gemm_valid_o") and not c.get("job_ready_o")
            await c.step()
