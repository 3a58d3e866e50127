# SPDX-License-Identifier: Apache-2.0
"""The driver above the registers, on a device that computes nothing: queue, buffers, waiting, time."""

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import bench_driver
import numpy as np
import pytest
from bench_driver import NullDevice
from null_platform import NullBuffer, NullPlatform, NullRegisters
from numpy.typing import NDArray

import peritus
from peritus.arch import registers as reg
from peritus.arch.registers import Offset
from peritus.bundle import Bundle, BundleTaskError
from peritus.image import ImageError
from peritus.runtime.driver.accelerator import QUEUE_DEPTH, RESET_TIMEOUT_S, Accelerator
from peritus.runtime.driver.errors import DeviceTimeout, JobRefused
from peritus.runtime.driver.platform import Buffer, Countdown, Limit
from peritus.runtime.driver.runner import FRAME_BUFFERS, IN_FLIGHT, FrameRunner
from peritus.runtime.errors import BufferUnavailable, DeviceBusy, DeviceClosed, DeviceError
from tests.common.copy_program import HW, IMAGE, bundle

SERVICE_S = 1.6e-3


@pytest.fixture
def device() -> Iterator[NullDevice]:
    with NullDevice(HW, SERVICE_S) as it:
        it.load(bundle())
        yield it


def test_the_queue_is_kept_full_in_order(device: NullDevice) -> None:
    names = [("first", "second")[n % 2] for n in range(20)]
    start = device.registers.clock.now()
    results = device.run_batch([IMAGE] * 20, names)
    took = device.registers.clock.now() - start
    assert [result.task.name for result in results] == names
    assert took < 20 * SERVICE_S / 0.95


def test_a_stream_asks_for_images_as_the_device_has_room(device: NullDevice) -> None:
    asked = 0

    def camera() -> Iterator[NDArray[np.uint8]]:
        nonlocal asked
        while True:
            asked += 1
            yield IMAGE

    tasks = itertools.cycle(["first", "second", "second"])
    for done, result in enumerate(device.stream(camera(), tasks)):
        assert result.task.name == ("first", "second", "second")[done % 3]
        assert asked == done + IN_FLIGHT
        if done == 20:
            break
    # Leaving it abandons what is running; the next call starts afresh.
    assert len(device.run_batch([IMAGE], ["first"])) == 1


def test_a_bad_image_in_a_stream_ends_it_and_nothing_else(device: NullDevice) -> None:
    with pytest.raises(ImageError):
        list(device.stream([IMAGE, IMAGE[1:]], ["first", "first"]))
    assert len(list(device.stream([IMAGE] * 5, ["first"] * 5))) == 5


class TestFrameBuffers:
    def test_images_in_a_frame_buffer_are_not_copied(self, device: NullDevice) -> None:
        seen = set()
        for _ in range(2 * FRAME_BUFFERS):
            buffer = device.buffer()
            buffer[:] = IMAGE
            device.run(buffer, task="first")
            low = Offset.JOB_IMAGE_LO // 4
            seen.add((buffer.ctypes.data, device.registers[low]))
        # Always the same address for the same memory: what was filled is what the device was given.
        assert len(seen) == len({address for address, _ in seen}) == FRAME_BUFFERS

    @pytest.mark.parametrize(
        "view",
        [
            lambda buffer: buffer[:, :, :],
            lambda buffer: buffer.reshape(-1).reshape(buffer.shape),
            lambda buffer: np.frombuffer(buffer.data, np.uint8).reshape(buffer.shape),
        ],
    )
    def test_a_view_of_all_of_one_is_the_buffer(
        self, device: NullDevice, view: Callable[[NDArray[np.uint8]], NDArray[np.uint8]]
    ) -> None:
        for _ in range(2 * FRAME_BUFFERS):
            buffer = device.buffer()
            device.run(view(buffer), task="first")
        device.release(view(device.buffer()))

    def test_a_view_that_is_another_image_is_copied(self, device: NullDevice) -> None:
        buffer = device.buffer()
        strange = np.lib.stride_tricks.as_strided(buffer, strides=(0, 3, 1))  # the first row, again and again
        for image in (buffer[::-1], strange):
            device.run(image, task="first")
        device.release(buffer)  # still the caller's

    @pytest.mark.parametrize("tasks", [["first"], ["first", "unknown"]])
    def test_a_stream_takes_none_that_it_does_not_run(self, device: NullDevice, tasks: list[str]) -> None:
        def camera() -> Iterator[NDArray[np.uint8]]:
            while True:
                yield device.buffer()

        for _ in range(2 * FRAME_BUFFERS):
            with suppress(BundleTaskError):
                list(device.stream(camera(), tasks))

    def test_each_belongs_to_one_at_a_time(self, device: NullDevice) -> None:
        held = [device.buffer() for _ in range(FRAME_BUFFERS)]
        with pytest.raises(BufferUnavailable, match=f"all {FRAME_BUFFERS}.*{FRAME_BUFFERS} of them"):
            device.buffer()
        with pytest.raises(BufferUnavailable):  # nowhere to copy it to
            device.run(IMAGE, task="first")
        device.release(held[0])
        with pytest.raises(BufferUnavailable, match="not a frame buffer"):
            device.release(held[0])
        device.run(IMAGE, task="first")
        with pytest.raises(BufferUnavailable, match="still running"):
            device.run_batch([held[1], held[1]], ["first"] * 2)
        device.run_batch(held[1:], ["first"] * (FRAME_BUFFERS - 1))
        assert len({id(device.buffer()) for _ in range(FRAME_BUFFERS)}) == FRAME_BUFFERS


class TestOneCallAtATime:
    def test_a_call_during_a_stream(self, device: NullDevice) -> None:
        stream = device.stream([IMAGE] * 4, ["first"] * 4)
        next(stream)
        with pytest.raises(DeviceBusy, match="null device is in use"):
            device.run(IMAGE, task="first")
        assert len(list(stream)) == 3
        device.run(IMAGE, task="first")

    def test_a_call_of_another_thread(self, device: NullDevice) -> None:
        inside, go_on, caught = threading.Event(), threading.Event(), []

        def camera() -> Iterator[NDArray[np.uint8]]:
            inside.set()
            assert go_on.wait(10)
            yield IMAGE

        thread = threading.Thread(target=lambda: caught.extend(device.stream(camera(), ["first"])))
        thread.start()
        assert inside.wait(10)
        for call in (lambda: device.run(IMAGE, task="first"), lambda: device.load(bundle()), device.reset):
            with pytest.raises(DeviceBusy):
                call()
        go_on.set()
        thread.join(10)
        assert len(caught) == 1
        device.run(IMAGE, task="first")


class TestClosing:
    def test_under_a_call_of_another_thread(self) -> None:
        """The frame that it is at ends, and then it is told."""
        at_device, go_on = threading.Event(), threading.Event()

        class Slow(NullPlatform):
            def wait_interrupt(self, left: Countdown) -> None:
                at_device.set()
                assert go_on.wait(10)
                super().wait_interrupt(left)

        class SlowDevice(NullDevice):
            closed_at_rest = False

            def _power_up(self, bundle: Bundle) -> NullPlatform:
                return Slow(self.registers)

            def _power_down(self) -> None:
                self.closed_at_rest = go_on.is_set()

        device, seen = SlowDevice(HW, SERVICE_S), []
        device.load(bundle())

        def work() -> None:
            try:
                device.run_batch([IMAGE] * 3, ["first"] * 3)
            except DeviceError as error:
                seen.append(error)

        worker, closer = threading.Thread(target=work), threading.Thread(target=device.close)
        worker.start()
        assert at_device.wait(10)
        closer.start()
        closer.join(0.2)
        assert closer.is_alive()
        go_on.set()
        for thread in (worker, closer):
            thread.join(10)
            assert not thread.is_alive()
        assert device.closed_at_rest
        assert [type(error) for error in seen] == [DeviceClosed]

    def test_under_a_call_that_does_not_end(self, monkeypatch: pytest.MonkeyPatch) -> None:
        device = NullDevice(HW, SERVICE_S)
        device.load(bundle())
        assert device._longest_s == device._limit.seconds + 2 * RESET_TIMEOUT_S
        monkeypatch.setattr(device, "_longest_s", 0.2)
        other = threading.Thread(target=device._at_work.take)
        other.start()
        other.join(10)
        with pytest.raises(DeviceBusy, match=r"another thread after 0\.2 s"):
            device.close()

    def test_inside_a_call_of_its_own(self) -> None:
        """As from what reports the progress of a load: refused at once, and possible afterwards."""

        class Impatient(NullDevice):
            def _power_up(self, bundle: Bundle) -> NullPlatform:
                self.close()
                return super()._power_up(bundle)

        device = Impatient(HW, SERVICE_S)
        with pytest.raises(DeviceBusy, match="in the midst of its own call"):
            device.load(bundle())
        device.close()

    def test_who_is_at_work_is_not_robbed(self) -> None:
        """A thread that lost its turn gives back nobody else's."""
        device = NullDevice(HW, SERVICE_S)
        with device._at_work:
            thread = threading.Thread(target=device._at_work.give)
            thread.start()
            thread.join(10)
            assert device._at_work.mine

    def test_under_a_camera_and_an_unfinished_stream(self, device: NullDevice) -> None:
        """Who holds nothing of the device is not waited for."""

        def camera() -> Iterator[NDArray[np.uint8]]:
            yield IMAGE
            device.close()
            yield IMAGE

        with pytest.raises(DeviceClosed, match="null device has been closed"):
            list(device.stream(camera(), ["first"] * 2))
        with NullDevice(HW, SERVICE_S) as other:
            other.load(bundle())
            stream = other.stream([IMAGE] * 4, ["first"] * 4)
            next(stream)
        with pytest.raises(DeviceClosed):
            next(stream)

    def test_nothing_after_it(self, device: NullDevice) -> None:
        device.close()
        device.close()
        for call in (
            lambda: device.run(IMAGE, task="first"),
            lambda: device.load(bundle()),
            device.reset,
            device.buffer,
        ):
            with pytest.raises(DeviceClosed):
                call()


class Patient(NullPlatform):
    """Interrupts that mean nothing, `after_s` seconds apart."""

    stale = 1
    after_s = 0.4

    def __init__(self, registers: NullRegisters) -> None:
        super().__init__(registers)
        self.left: list[float] = []  # seconds of the limit, at each wait

    def wait_interrupt(self, left: Countdown) -> None:
        self.left.append(left.seconds)
        time.sleep(min(left.seconds, self.after_s))
        if self.stale:
            self.stale -= 1
            list.__setitem__(self.registers, Offset.IRQ_STATUS // 4, reg.IRQ_STATUS_PROGRAM_LOADED.mask)


class TestWaiting:
    def test_stale_interrupts_do_not_prolong_the_limit(self) -> None:
        platform = Patient(NullRegisters(HW))
        accelerator = Accelerator(platform, HW)
        start = time.monotonic()
        with pytest.raises(DeviceTimeout, match=r"nothing within 0\.5 s"):
            accelerator.wait_done(Limit(seconds=0.5))
        assert time.monotonic() - start >= 0.5
        assert len(platform.left) >= 2 and platform.left[1] <= 0.5 - Patient.after_s

    def test_a_second_interrupt_of_a_reported_job_is_not_another_job(self) -> None:
        registers = NullRegisters(HW)
        accelerator = Accelerator(NullPlatform(registers), HW)
        place = accelerator.place(64, 128, 192)
        accelerator.submit(place, 0, 7)
        assert accelerator.wait_done(Limit(seconds=5))[0] == 7
        # The next job's end came between clearing the interrupt and reading the number.
        list.__setitem__(registers, Offset.IRQ_STATUS // 4, reg.IRQ_STATUS_DONE.mask)
        accelerator.submit(place, 0, 8)
        assert accelerator.wait_done(Limit(seconds=5), after=7)[0] == 8

    def test_more_jobs_than_the_queue_holds_are_refused(self) -> None:
        accelerator = Accelerator(NullPlatform(NullRegisters(HW, service_s=1000.0)), HW)
        place = accelerator.place(64, 128, 192)
        for sequence in range(1 + QUEUE_DEPTH):
            accelerator.submit(place, 0, sequence)
        with pytest.raises(JobRefused, match="2 jobs are waiting"):
            accelerator.submit(place, 0, 9)

    def test_addresses_beyond_the_bus_are_refused(self) -> None:
        with pytest.raises(DeviceError, match="JOB_OUTPUT: address 0x10000000000 does not fit 40 bits"):
            Accelerator.place(0, 1 << 40, 0)


class TestBuffersOfThePlatform:
    class Wrong(NullPlatform):
        """Gives other memory than asked for."""

        def __init__(self, size: int, address: int) -> None:
            super().__init__(NullRegisters(HW))
            self.size, self.address, self.freed = size, address, 0

        def allocate(self, size: int) -> Buffer:
            platform = self

            class Counted(NullBuffer):
                def free(self) -> None:
                    platform.freed += 1

            if size == IMAGE.size * FRAME_BUFFERS:  # the third one
                return Counted(4096 + self.address, np.zeros(size + self.size, np.uint8))
            return Counted(super().allocate(size).address, np.zeros(size, np.uint8))

    @pytest.mark.parametrize(("size", "address"), [(-1, 0), (64, 0), (0, 32)])
    def test_wrong_ones_are_refused_and_all_given_back(self, size: int, address: int) -> None:
        platform = self.Wrong(size, address)
        with pytest.raises(DeviceError, match=f"asked for {IMAGE.size * FRAME_BUFFERS}, aligned to 64"):
            FrameRunner(platform, Accelerator(platform, HW), bundle(), Limit(seconds=1))
        assert platform.freed == 3


@pytest.mark.parametrize("pynq", [False, pytest.param(True, marks=pytest.mark.board)])
def test_numbers(pynq: bool, tmp_path: Path) -> None:
    """Far from what a copy too many or a search costs, and at least 95 % of the device's own rate.

    The figures themselves: tools/bench_driver.py.
    """
    model = peritus.compile(peritus.load_model("m3vit_micro"), hw=HW)
    # The best of some: what else runs on the machine shares caches and memory.
    records = [
        bench_driver.measure("pynq" if pynq else "null", "copied", model, HW, 200, tmp_path) for _ in range(3)
    ]
    assert min(record.median_us for record in records) <= 250
    assert max(record.share for record in records) >= 0.95


def test_a_driver_without_a_queue_would_miss_the_rate(device: NullDevice) -> None:
    """What the clock measures is there: frames one at a time lose what the host does in between."""
    start = device.registers.clock.now()
    for _ in range(20):
        device.run(IMAGE, task="first")
        end = device.registers.clock.now() + 0.3 * SERVICE_S
        while device.registers.clock.now() < end:
            pass  # the host works
    assert device.registers.clock.now() - start > 20 * SERVICE_S / 0.8
