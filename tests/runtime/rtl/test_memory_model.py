# SPDX-License-Identifier: Apache-2.0
"""The C++ harness and its DDR model, driven by toy masters with the pins of the accelerator."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from peritus.runtime.rtl.errors import DesignStopped, RegisterError, RegisterTimeout, SimulationError
from peritus.runtime.rtl.simulation import DdrParameters, Simulation, Traffic, build_simulation

pytestmark = pytest.mark.sim
RTL = Path(__file__).parent / "toy"
BASE = 0x8_0000_0000  # above 4 GB: a truncated address does not go unnoticed
SIZE = 1 << 22
PORTS = 4
BEATS = 16
START, BURSTS, MODE, SRC, DST, CYCLES, LATENCY, GAP, ERRORS, TRAP, CHECKSUM = range(0, 0x2C, 4)
ALL, COPY, SLOW = 0xF, 1 << 4, 1 << 5
FAULTS = {
    1: "burst longer than 16 beats",
    2: "burst address is not a multiple of 64 bytes",
    3: "burst crosses a 4 KB boundary",
    4: "burst type is not INCR",
    5: "beat size is not the width of the port",
    6: "AR changed or dropped before ARREADY",
    7: "AW changed or dropped before AWREADY",
    8: "W changed or dropped before WREADY",
    9: "WLAST is not on the last beat of the burst",
}
DISTURBED = DdrParameters(jitter=50, refresh_period=1000, refresh_cycles=60, stall=0.2, seed=7)


def build(axi_bytes: int, waves: bool = False) -> Path:
    sources = [RTL / "toy_port.sv", RTL / "toy_dma.sv", RTL / "toy_bind.sv"]
    return build_simulation(
        "toy_dma", sources, parameters={"AxiBytes": axi_bytes}, waves=waves, assertions=True
    )


@pytest.fixture(scope="module")
def library() -> Path:
    return build(16)


@dataclass
class Bench:
    """A toy design and its memory."""

    sim: Simulation
    memory: NDArray[np.uint8]
    beat: int

    def start(self, bursts: int, mode: int = ALL, src: int = BASE, dst: int = BASE + SIZE // 2) -> None:
        for register, value in ((BURSTS, bursts), (MODE, mode), (SRC, src >> 6), (DST, dst >> 6), (START, 1)):
            self.sim.write32(register, value)

    def finish(self, max_cycles: int = 1_000_000) -> int:
        """Cycles from start to done."""
        assert self.sim.run(max_cycles), "the toy masters did not finish"
        return self.sim.read32(CYCLES)

    def clean(self) -> None:
        assert self.sim.violations() == ([], 0)
        assert self.sim.read32(ERRORS) == 0

    def copied(self, bursts: int) -> None:
        """Check what port 0 has copied and, by their sum, what all ports have read."""
        shape = (bursts, PORTS, BEATS * self.beat)
        size = bursts * PORTS * BEATS * self.beat
        source = self.memory[:size].reshape(shape)
        copy = self.memory[SIZE // 2 : SIZE // 2 + size].reshape(shape)
        np.testing.assert_array_equal(copy[:, 0], source[:, 0])
        assert not copy[:, 1:].any()
        assert not self.memory[SIZE // 2 + size :].any()
        assert self.sim.read32(CHECKSUM) == self.memory[:size].view(np.uint32).sum(dtype=np.uint32)


def open_bench(library: Path, ddr: DdrParameters, beat: int = 16) -> Bench:
    memory = np.zeros(SIZE, np.uint8)
    memory[: SIZE // 2] = np.random.default_rng(1).integers(0, 256, SIZE // 2, dtype=np.uint8)
    sim = Simulation(library, memory, base=BASE, ddr=ddr)
    sim.reset()
    return Bench(sim, memory, beat)


@pytest.fixture
def bench(library: Path) -> Iterator[Bench]:
    it = open_bench(library, DdrParameters())
    yield it
    it.sim.close()


@pytest.mark.parametrize("bytes_per_cycle", [42.0, 21.0, 6.5])
def test_four_ports_share_the_sustained_bandwidth(library: Path, bytes_per_cycle: float) -> None:
    bench = open_bench(library, DdrParameters(bytes_per_cycle=bytes_per_cycle))
    bench.start(bursts=500)
    cycles = bench.finish()
    traffic = bench.sim.traffic()
    assert traffic == Traffic(read=(500 * BEATS * 16,) * PORTS, written=0)
    measured = sum(traffic.read) / (cycles - 80)
    assert bytes_per_cycle * 0.995 < measured <= bytes_per_cycle * 1.002
    bench.clean()


def test_a_slow_port_has_its_own_rate_and_leaves_the_rest_to_the_others(library: Path) -> None:
    """Port 2 at 5 bytes a cycle; the other three take the 37 that are left."""
    bench = open_bench(library, DdrParameters(port_bytes_per_cycle=(16.0, 16.0, 5.0, 16.0)))
    bench.start(bursts=500, mode=0b0100)
    assert 5 * 0.995 < 500 * BEATS * 16 / (bench.finish() - 80) <= 5 * 1.002
    others = open_bench(library, DdrParameters(port_bytes_per_cycle=(16.0, 16.0, 5.0)))
    others.start(bursts=500, mode=0b1011)
    assert 42 * 0.995 < 500 * 3 * BEATS * 16 / (others.finish() - 80) <= 42 * 1.002


@pytest.mark.parametrize(("mode", "rate"), [(0b0110, 20.0), (0b0101, 32.0), (0b1111, 42.0)])
def test_ports_behind_one_port_of_the_controller_share_it(library: Path, mode: int, rate: float) -> None:
    """Ports 1 and 2 get 20 bytes a cycle together; two others their widths, all four what the memory has."""
    bench = open_bench(library, DdrParameters(shared=((1, 2),), shared_bytes_per_cycle=20.0))
    bench.start(bursts=500, mode=mode)
    cycles = bench.finish() - 80
    assert 0.99 * 500 * mode.bit_count() * BEATS * 16 / rate <= cycles
    if mode != ALL:  # the pair ends after the others
        assert cycles < 1.01 * 500 * mode.bit_count() * BEATS * 16 / rate
    bench.clean()


def test_writes_count_in_their_ports_rate(library: Path) -> None:
    bench = open_bench(library, DdrParameters(port_bytes_per_cycle=(8.0,)))
    bench.start(bursts=200, mode=0b0001 | COPY)
    assert 8 * 0.98 < 2 * 200 * BEATS * 16 / (bench.finish() - 80) <= 8 * 1.002
    bench.clean()


def test_one_port_is_limited_by_its_width(bench: Bench) -> None:
    bench.start(bursts=500, mode=0b0100)
    assert 500 * BEATS <= bench.finish() - 80 < 500 * BEATS + 10
    assert bench.sim.traffic().read == (0, 0, 500 * BEATS * 16, 0)


def test_reads_and_writes_share_the_bandwidth(bench: Bench) -> None:
    # One port reads and writes, another reads: three beats of demand a cycle, each gets a third.
    bench.start(bursts=500, mode=0b0011 | COPY)
    cycles = bench.finish()
    traffic = bench.sim.traffic()
    assert traffic == Traffic(read=(500 * BEATS * 16,) * 2 + (0, 0), written=500 * BEATS * 16)
    assert 41.0 < (sum(traffic.read) + traffic.written) / (cycles - 80) <= 42.1
    bench.clean()


@pytest.mark.parametrize("latency", [1, 20, 80, 300])
def test_read_latency_is_exact(library: Path, latency: int) -> None:
    bench = open_bench(library, DdrParameters(read_latency=latency))
    bench.start(bursts=2, mode=0b0001)
    bench.finish()
    assert bench.sim.read32(LATENCY) == latency


def test_latency_bounds_the_rate_of_few_outstanding_bursts(library: Path) -> None:
    bench = open_bench(library, DdrParameters(outstanding=1, read_latency=100))
    bench.start(bursts=50, mode=0b0001)
    assert bench.finish() >= 50 * (100 + BEATS - 1)


def test_jitter_delays_within_its_bound_and_repeats_from_its_seed(library: Path) -> None:
    def run(seed: int) -> tuple[int, int]:
        bench = open_bench(library, DdrParameters(jitter=40, seed=seed))
        bench.start(bursts=20, mode=ALL | COPY)
        cycles = bench.finish()
        bench.copied(20)
        bench.clean()
        return cycles, bench.sim.read32(LATENCY)

    results = [run(seed) for seed in range(8)]
    assert all(80 <= latency <= 120 for _, latency in results)
    assert len({latency for _, latency in results}) > 3
    assert run(3) == results[3]


def test_refresh_takes_its_share(library: Path) -> None:
    bench = open_bench(library, DdrParameters(refresh_period=500, refresh_cycles=50))
    bench.start(bursts=500)
    rate = 500 * PORTS * BEATS * 16 / (bench.finish() - 80)
    assert 42 * 0.9 * 0.99 < rate < 42 * 0.9 * 1.01
    assert 49 <= bench.sim.read32(GAP) <= 52


@pytest.mark.parametrize(
    ("ddr", "mode", "port", "write", "address"),
    [
        (DdrParameters(silent_reads=(2,)), ALL, 2, False, BASE + 2 * BEATS * 16),
        (DdrParameters(silent_writes=(0,)), ALL | COPY, 0, True, None),
    ],
    ids=["read", "write"],
)
def test_a_port_that_never_answers_is_named(
    library: Path, ddr: DdrParameters, mode: int, port: int, write: bool, address: int | None
) -> None:
    """Whatever else waits for it meanwhile."""
    bench = open_bench(library, ddr)
    assert bench.sim.open_accesses() == []
    bench.start(bursts=40, mode=mode)
    assert not bench.sim.run(20_000)
    access = bench.sim.open_accesses()[0]
    assert (access.port, access.write) == (port, write)
    assert address is None or access.address == address
    assert access.bursts == 16 and 15_000 < access.waited <= 20_000
    bench.sim.close()


def test_who_waits_longest_comes_first(library: Path) -> None:
    bench = open_bench(library, DdrParameters(read_latency=5000, silent_reads=(3,)))
    bench.start(bursts=40)
    assert not bench.sim.run(6000)
    accesses = bench.sim.open_accesses()
    assert accesses[0].port == 3 and len(accesses) == 4
    assert all(access.waited < 2000 for access in accesses[1:])
    bench.sim.close()


@pytest.mark.parametrize("mode", [ALL | COPY, ALL | COPY | SLOW])
@pytest.mark.parametrize(
    "ddr", [DISTURBED, replace(DISTURBED, seed=8, outstanding=1, read_latency=1, write_latency=1)]
)
def test_data_survive_disturbance(library: Path, mode: int, ddr: DdrParameters) -> None:
    bench = open_bench(library, ddr)
    bench.start(bursts=60, mode=mode)
    bench.finish()
    bench.copied(60)
    bench.clean()


@pytest.mark.parametrize(("fault", "what"), FAULTS.items())
def test_protocol_violation_is_reported(library: Path, fault: int, what: str) -> None:
    # The stalls make READY wait, which the faults of stability need. Bursts of wrong length never complete.
    bench = open_bench(library, replace(DISTURBED, outstanding=4))
    bench.start(bursts=20, mode=0b0001 | COPY | fault << 8)
    bench.sim.run(20_000)
    found, total = bench.sim.violations()
    assert total >= len(found) > 0
    assert what in {violation.what for violation in found}
    assert {violation.port for violation in found} == {0}
    assert all(BASE <= violation.address < BASE + SIZE for violation in found)
    bench.sim.clear_violations()
    assert bench.sim.violations() == ([], 0)


@pytest.mark.parametrize("src", [BASE - 64 * 1024, BASE + SIZE, 0, (1 << 38) - 1024])
def test_read_outside_the_memory_is_an_error(bench: Bench, src: int) -> None:
    bench.start(bursts=3, src=src)
    bench.finish()
    assert bench.sim.read32(ERRORS) == PORTS * 3 * BEATS
    found, total = bench.sim.violations()
    assert total == PORTS * 3
    assert {v.what for v in found} == {"read outside the mapped memory"}
    assert min(v.address for v in found) == src


def test_write_outside_the_memory_is_an_error_and_writes_nothing(bench: Bench) -> None:
    before = bench.memory.copy()
    # The last burst that still fits, then one that does not.
    bench.start(bursts=2, mode=0b0001 | COPY, dst=BASE + SIZE - BEATS * 16)
    bench.finish()
    assert bench.sim.read32(ERRORS) == 1
    found, _ = bench.sim.violations()
    assert [(v.port, v.what) for v in found] == [(0, "write outside the mapped memory")]
    assert found[0].address == BASE + SIZE - BEATS * 16 + PORTS * BEATS * 16
    np.testing.assert_array_equal(bench.memory[: -BEATS * 16], before[: -BEATS * 16])
    np.testing.assert_array_equal(bench.memory[-BEATS * 16 :], before[: BEATS * 16])


def test_reset_abandons_a_transfer_and_the_next_one_works(bench: Bench) -> None:
    bench.start(bursts=1000)
    assert not bench.sim.run(500)
    bench.sim.reset()
    bench.start(bursts=30, mode=ALL | COPY)
    bench.finish()
    bench.copied(30)
    bench.clean()


def test_registers(bench: Bench) -> None:
    bench.sim.write32(BURSTS, 0xDEADBEEF)
    assert bench.sim.read32(BURSTS) == 0xDEADBEEF
    with pytest.raises(RegisterError, match="0x800"):
        bench.sim.read32(0x800)
    with pytest.raises(RegisterError, match="0x800"):
        bench.sim.write32(0x800, 0)
    with pytest.raises(SimulationError, match="does not fit 32 bits"):
        bench.sim.write32(BURSTS, 1 << 32)
    before = bench.sim.cycles
    with pytest.raises(RegisterTimeout, match="0x24: no answer in 50 cycles"):
        bench.sim.read32(TRAP, timeout_cycles=50)
    assert bench.sim.cycles == before + 50
    bench.sim.reset()
    assert bench.sim.read32(BURSTS) == 0xDEADBEEF  # the toy's registers have no reset


def test_an_assertion_ends_the_simulation_but_not_the_process(bench: Bench) -> None:
    for _ in range(2):
        with pytest.raises(DesignStopped, match=r"toy_dma.sv:\d+"):
            bench.sim.write32(TRAP, 1)
    with pytest.raises(DesignStopped):
        bench.sim.run(1)


def test_instances_are_independent(library: Path) -> None:
    first, second = (open_bench(library, DdrParameters(read_latency=n)) for n in (30, 60))
    first.start(bursts=5)
    second.start(bursts=5)
    first.finish()
    second.finish()
    assert (first.sim.read32(LATENCY), second.sim.read32(LATENCY)) == (30, 60)
    first.sim.close()
    with pytest.raises(SimulationError, match="closed"):
        first.sim.run(1)
    assert second.sim.read32(BURSTS) == 5


def test_64_bit_ports() -> None:
    bench = open_bench(build(8), replace(DISTURBED, bytes_per_cycle=21.0), beat=8)
    bench.start(bursts=60, mode=ALL | COPY)
    bench.finish()
    bench.copied(60)
    bench.clean()


def test_memory_writes_are_recorded_in_order(bench: Bench) -> None:
    bench.start(bursts=1, mode=ALL | COPY)
    bench.finish()
    assert not len(bench.sim.written(1))
    bench.sim.record_writes()
    bench.start(bursts=4, mode=ALL | COPY)
    bench.finish()
    addresses = {1: (np.arange(4 * BEATS) + BEATS) % 32, 2: np.arange(4 * BEATS, 0, -1) % 32}
    for memory, port, enable in ((1, 0, 0b10), (2, 3, 0b1)):
        records = bench.sim.written(memory)
        np.testing.assert_array_equal(records.address, addresses[memory])
        assert (records.enable == enable).all()
        assert (np.diff(records.cycle) > 0).all()
        source = bench.memory[: 4 * PORTS * 256].reshape(4, PORTS, BEATS, 16)
        np.testing.assert_array_equal(records.data.reshape(4, BEATS, 16), source[:, port])
    bench.sim.record_writes(enable=False)
    assert not len(bench.sim.written(1))


@pytest.mark.long
def test_waves(library: Path, tmp_path: Path) -> None:
    pywellen = pytest.importorskip("pywellen")
    bench = open_bench(build(16, waves=True), DdrParameters())
    bench.sim.open_waves(tmp_path / "toy.fst")
    bench.start(bursts=2)
    assert bench.sim.run(10_000)
    last_cycle = bench.sim.cycles
    bench.sim.close()
    waves = pywellen.Waveform(str(tmp_path / "toy.fst"))
    signals = {var.full_name: var for var in waves.all_vars()}
    assert any(name.endswith("u_port3.fifo_count") for name in signals)
    changes = signals["TOP.irq_o"].tv  # (time, value), two time steps a cycle
    assert changes[-1] == (2 * (last_cycle - 1), 1)
    with pytest.raises(SimulationError, match="without waveforms"):
        open_bench(library, DdrParameters()).sim.open_waves(tmp_path / "no.fst")
    with pytest.raises(SimulationError, match="no such folder"):
        bench.sim.open_waves(tmp_path / "absent" / "no.fst")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("read_latency", 0),
        ("bytes_per_cycle", 0.0),
        ("port_bytes_per_cycle", (16.0, 0.0)),
        ("port_bytes_per_cycle", (1.0,) * 5),
        ("shared", ((0, 1), (1, 2))),
        ("shared", ((3, 4),)),
        ("shared_bytes_per_cycle", 0.0),
        ("outstanding", 65),
        ("stall", 1.0),
        ("refresh_cycles", 5),
        ("silent_reads", (4,)),
    ],
)
def test_bad_parameters(field: str, value: object) -> None:
    with pytest.raises(SimulationError, match=re.escape(f"{field} = {value}")):
        replace(DdrParameters(), **{field: value})  # type: ignore[arg-type]


def test_bad_memory(library: Path) -> None:
    with pytest.raises(SimulationError, match="uint8"):
        Simulation(library, np.zeros(64, np.int8), ddr=DdrParameters())
    with pytest.raises(SimulationError, match="ports = 5"):
        Simulation(library, np.zeros(64, np.uint8), ports=5, ddr=DdrParameters())
