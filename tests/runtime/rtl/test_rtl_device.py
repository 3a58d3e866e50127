# SPDX-License-Identifier: Apache-2.0
"""The rtl device and the register-level driver on real RTL, with programs written by hand.

The programs here only move data (position table -> residual memory -> DDR), so that what is tested is the
device: identity, windows, queue, counters, errors and recovery. Whole models are tested in tests/equivalence.
"""

import re
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from peritus.arch.config import HwConfig
from peritus.bundle import BundleConfigError, BundleTaskError
from peritus.image import ImageError
from peritus.runtime import NotLoaded, open_device
from peritus.runtime.driver.accelerator import QUEUE_DEPTH, Accelerator, Window
from peritus.runtime.driver.errors import (
    DeviceBusError,
    DeviceTimeout,
    ForeignDevice,
    GuardError,
    InstructionError,
    JobRefused,
    PortTimeout,
)
from peritus.runtime.driver.platform import Limit
from peritus.runtime.errors import DeviceError
from peritus.runtime.rtl.device import RtlDevice
from peritus.runtime.rtl.errors import SimulationError
from peritus.runtime.rtl.platform import MEMORY_BASE, BufferPool
from peritus.runtime.rtl.simulation import DdrParameters
from tests.common.copy_program import (
    END,
    FETCHES,
    HOSTILE,
    HW,
    IMAGE,
    PROGRAM,
    STORE,
    STRIPES,
    TABLES,
    WEIGHT_BYTES,
    bundle,
    table,
)

pytestmark = pytest.mark.sim
LIMIT = Limit(seconds=60, cycles=200_000)
PLACE = Accelerator.place(MEMORY_BASE, MEMORY_BASE, MEMORY_BASE)


@pytest.fixture
def device() -> Iterator[RtlDevice]:
    with RtlDevice(HW, limit=LIMIT, assertions=True) as it:
        it.load(bundle())
        yield it


def check_recovers(device: RtlDevice) -> None:
    """What every error leaves behind: the same device, which runs a good job after a soft reset."""
    powered_up = device.simulation
    np.testing.assert_array_equal(device.run(IMAGE, task="second").outputs["second"], table(1))
    assert device.simulation is powered_up


def test_results_features_and_counters(device: RtlDevice) -> None:
    plain = device.run(IMAGE, task="first")
    np.testing.assert_array_equal(plain.outputs["first"], table(0))
    assert plain.features is None
    assert plain.perf.bytes_written == WEIGHT_BYTES  # nothing but the result
    assert plain.perf.bytes_read == STRIPES * HW.stripe_bytes
    before = device.simulation.traffic()
    full = device.run(IMAGE, task="second", features=True)
    after = device.simulation.traffic()
    np.testing.assert_array_equal(full.outputs["second"], table(1))
    assert full.features is not None
    np.testing.assert_array_equal(full.features, TABLES[1].astype(np.float32) * np.float32(0.5))
    # The device counts what the memory sees.
    assert full.perf.bytes_written == after.written - before.written == 2 * WEIGHT_BYTES
    assert full.perf.bytes_read == sum(after.read) - sum(before.read)
    assert full.perf.cycles is not None
    assert full.perf.cycles > 2 * WEIGHT_BYTES / HW.axi_data_bytes


def test_batch_keeps_order_and_the_queue_full(device: RtlDevice) -> None:
    names = ["first", "second", "second", "first", "second", "first", "first"]
    start = device.simulation.cycles
    results = device.run_batch([IMAGE] * len(names), names)
    together = device.simulation.cycles - start
    for name, result in zip(names, results, strict=True):
        np.testing.assert_array_equal(result.outputs[name], table(["first", "second"].index(name)))
    busy = sum(result.perf.cycles or 0 for result in results)
    # Next jobs are submitted while one runs: hardly any time between jobs, register accesses included.
    assert busy <= together <= busy + 100 * len(names)
    assert device.run_batch([], []) == []


def test_disturbed_memory_changes_nothing_but_time() -> None:
    ddr = DdrParameters(read_latency=37, jitter=60, refresh_period=300, refresh_cycles=80, stall=0.3, seed=5)
    with RtlDevice(HW, ddr=ddr, limit=LIMIT, assertions=True) as device:
        device.load(bundle())
        check_recovers(device)


@pytest.mark.parametrize("access", HOSTILE)
@pytest.mark.usefixtures("unverified")
def test_access_outside_the_buffers_names_the_instruction(device: RtlDevice, access: str) -> None:
    index, program, fetches = HOSTILE[access]
    device.load(bundle(program, fetches))
    for _ in range(2):  # recovered, and just as hostile as before
        with pytest.raises(
            GuardError, match=f"(instruction|fetch entry) {index}.*{access}.*window 0x8"
        ) as caught:
            device.run(IMAGE, task="first", features=True)
        assert caught.value.instruction == index
        assert device.simulation.violations() == ([], 0)  # the guard let nothing out
    check_recovers(device)


@pytest.mark.parametrize("offset", [WEIGHT_BYTES, 64, (1 << 32) - 64])
@pytest.mark.usefixtures("unverified")
def test_result_that_ends_outside_its_buffer_is_not_written(device: RtlDevice, offset: int) -> None:
    # From slot 2 of 3 the window ends right behind the result.
    device.load(
        bundle((*PROGRAM[:2], replace(STORE, imm=offset, task_mask=1), replace(STORE, task_mask=2), END))
    )
    device.run_batch([IMAGE] * 2, ["second"] * 2)
    with pytest.raises(GuardError):
        device.run_batch([IMAGE] * 3, ["first"] * 3)
    check_recovers(device)


@pytest.mark.usefixtures("unverified")
def test_hung_device_times_out_with_the_state_of_its_sequencer(device: RtlDevice) -> None:
    device.load(bundle(fetches=FETCHES[1:]))  # in task "first" RES_INIT waits for weights that never come
    with pytest.raises(
        DeviceTimeout, match=r"200,000 cycles.*instruction 0 \(step 0\); states: sequencer \d+"
    ):
        device.run(IMAGE, task="first")
    check_recovers(device)


class TestAPortThatNeverAnswers:
    """By name, with what it was asked for; the device is the one for the next memory."""

    @pytest.fixture(autouse=True)
    def soon(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("peritus.runtime.driver.accelerator.RESET_TIMEOUT_S", 0.1)

    def test_reads(self) -> None:
        silent = DdrParameters(silent_reads=(0,))
        with RtlDevice(HW, ddr=silent, limit=LIMIT, assertions=True) as device:
            with pytest.raises(PortTimeout) as caught:
                device.load(bundle())  # reads the program
            assert (caught.value.ports, caught.value.write) == ((0,), False)
            assert caught.value.address is not None and caught.value.address >= MEMORY_BASE
            assert re.fullmatch(
                rf"memory port 0 \(m00\) has not answered a read of {caught.value.address:#x} for "
                r"\d{3},\d{3} cycles, bursts open: \d+; see that this port .* connected and enabled; "
                r"reads of memory port 0 \(m00\) have had no answer; .*"
                r"loading the program: nothing within 200,000 cycles or 60 s; sequencer at .*; power-up .*",
                str(caught.value),
            )

    def test_writes(self) -> None:
        silent = DdrParameters(silent_writes=(0,))
        with RtlDevice(HW, ddr=silent, limit=LIMIT, assertions=True) as device:
            device.load(bundle())
            with pytest.raises(
                PortTimeout, match=r"port 0 \(m00\) has not answered a write of 0x8\w+ for .*"
            ) as caught:
                device.run(IMAGE, task="first")
            assert (caught.value.ports, caught.value.write) == ((0,), True)
            device._ddr = (
                DdrParameters()
            )  # repaired: soft reset waits for the burst, so the bundle is loaded afresh
            np.testing.assert_array_equal(device.run(IMAGE, task="second").outputs["second"], table(1))

    @pytest.mark.usefixtures("unverified")
    def test_nothing_open_is_no_fault_of_a_port(self, device: RtlDevice) -> None:
        device.load(bundle(fetches=FETCHES[1:]))
        with pytest.raises(DeviceTimeout) as caught:
            device.run(IMAGE, task="first")
        assert not isinstance(caught.value, PortTimeout)


@pytest.mark.usefixtures("unverified")
def test_unknown_instruction_is_refused(device: RtlDevice) -> None:
    unknown = replace(END, opcode=9, task_mask=1)  # type: ignore[arg-type]
    device.load(bundle(program=(*PROGRAM[:2], unknown, STORE, END)))
    with pytest.raises(InstructionError, match=r"instruction 2 \(.*refused") as caught:
        device.run(IMAGE, task="first")
    assert caught.value.instruction == 2
    check_recovers(device)


@pytest.mark.usefixtures("unverified")
def test_program_too_large_is_refused(device: RtlDevice) -> None:
    too_large = (*PROGRAM[:-1], *[END] * HW.program_depth)
    with pytest.raises(DeviceError, match="program memory"):
        device.load(bundle(program=too_large))


def test_bad_calls_do_not_touch_the_device(device: RtlDevice) -> None:
    before = device.simulation.cycles
    with pytest.raises(ImageError, match=r"\(16, 16, 3\)"):
        device.run(IMAGE[:, :16], task="first")
    with pytest.raises(BundleTaskError, match="third"):
        device.run(IMAGE, task="third")
    assert device.simulation.cycles == before
    check_recovers(device)


def test_bundle_for_other_hardware_is_refused() -> None:
    with open_device("rtl", HW) as device:
        with pytest.raises(NotLoaded):
            device.run(IMAGE, task="first")
        with pytest.raises(
            BundleConfigError, match=f"compiled for nano .*the device is nano .*{HW.hash64:#018x}"
        ):
            device.load(replace(bundle(), hw=replace(HW, act_words=HW.act_words // 2)))


@pytest.mark.parametrize("cycles", [0, 5, 25, 60, 120, 240])
def test_reset_with_bursts_in_flight(device: RtlDevice, cycles: int) -> None:
    Accelerator(device.platform, HW).submit(PLACE, 0, 77)
    device.simulation.run(cycles)
    device.reset()
    check_recovers(device)
    assert device.simulation.violations() == ([], 0)


def test_a_device_beyond_soft_reset_is_powered_up_again(device: RtlDevice) -> None:
    device.run(IMAGE, task="first")
    device.simulation.close()  # as after a failed assertion
    with pytest.raises(SimulationError, match="closed"):
        device.run(IMAGE, task="first")
    np.testing.assert_array_equal(device.run(IMAGE, task="second").outputs["second"], table(1))


class TestAccelerator:
    """The register level by itself."""

    def test_foreign_device_is_refused(self, device: RtlDevice) -> None:
        platform = device.platform
        other: HwConfig = replace(HW, kv_words=2 * HW.kv_words)
        with pytest.raises(ForeignDevice, match=f"{HW.hash64:#018x}.*; build the bitstream"):
            Accelerator(platform, other)

        class OtherId:
            def __getattr__(self, name: str) -> object:
                return getattr(platform, name)

            def read32(self, offset: int) -> int:
                return 0x1234 if offset == 0 else platform.read32(offset)

        with pytest.raises(ForeignDevice, match="0x00001234"):
            Accelerator(OtherId(), HW)  # type: ignore[arg-type]

    def test_job_without_program_is_refused(self, device: RtlDevice) -> None:
        accelerator = Accelerator(device.platform, HW)
        accelerator.reset()
        accelerator.submit(PLACE, 0, 1)
        with pytest.raises(JobRefused, match="refused the last command"):
            accelerator.wait_done(Limit(seconds=5, cycles=1000))

    @pytest.mark.usefixtures("unverified")
    def test_queue_depth(self, device: RtlDevice) -> None:
        device.load(bundle(fetches=()))  # the first job hangs
        accelerator = Accelerator(device.platform, HW)
        for sequence in range(1 + QUEUE_DEPTH):
            accelerator.submit(PLACE, 0, sequence)
            device.simulation.run(100)
        with pytest.raises(JobRefused, match="2 jobs are waiting"):
            accelerator.submit(PLACE, 0, 9)

    def test_bus_error_is_reported(self, device: RtlDevice) -> None:
        accelerator = Accelerator(device.platform, HW)
        accelerator.set_window(Window.PROGRAM, 0, 4096)  # allowed, but no memory is there
        with pytest.raises(DeviceBusError, match="program read") as caught:
            accelerator.load_program(64, 1, 0, 64, Limit(seconds=5, cycles=10_000))
        assert caught.value.address == 64


def test_buffer_pool_reuses_and_separates() -> None:
    pool = BufferPool(np.zeros(64 * 1024, np.uint8), MEMORY_BASE)
    first, second, third = (pool.allocate(5000) for _ in range(3))
    assert first.address == MEMORY_BASE
    assert second.address - first.address == third.address - second.address == 3 * 4096
    second.array[:] = 1
    second.free()
    again = pool.allocate(100)
    assert again.address == second.address
    assert not again.array.any()
    with pytest.raises(SimulationError, match="not allocated"):
        pool.free(replace(again, address=MEMORY_BASE + 64))
    with pytest.raises(SimulationError, match="no room for 60000 bytes"):
        pool.allocate(60_000)
