# SPDX-License-Identifier: Apache-2.0
"""The real driver on the real PYNQ on the simulated RTL: a frame, a camera, and everything that can go wrong.

PYNQ's Overlay, MMIO, allocate and Interrupt are unmodified; the board has caches that are not coherent.
"""

import asyncio
import functools
import os
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import peritus
from peritus.arch import ip
from peritus.arch.config import load_config
from peritus.arch.registers import Offset
from peritus.bundle import Bundle, BundleConfigError
from peritus.report import same_result
from peritus.runtime import Result
from peritus.runtime.driver.accelerator import Window
from peritus.runtime.driver.errors import (
    BoardError,
    DeviceBusError,
    DeviceTimeout,
    ForeignDevice,
    GuardError,
    InstructionError,
    PortTimeout,
)
from peritus.runtime.driver.platform import Limit
from peritus.runtime.driver.runner import FRAME_BUFFERS
from peritus.runtime.errors import DeviceBusy, DeviceClosed, DeviceError
from peritus.runtime.iss.device import IssDevice
from peritus.runtime.pynq import device as pynq_device
from peritus.runtime.pynq.device import PynqDevice
from peritus.runtime.rtl.errors import SimulationError
from peritus.runtime.rtl.simulation import DdrParameters
from peritus.runtime.virtual.pynq import PynqSimDevice
from tests.common.copy_program import FETCHES, HOSTILE, HW, IMAGE, INIT, PROGRAM, bundle, table

pytestmark = [pytest.mark.sim, pytest.mark.board]
LIMIT = Limit(seconds=60)
SHORT = Limit(seconds=1)


@pytest.fixture
def device() -> Iterator[PynqSimDevice]:
    with PynqSimDevice(HW, limit=LIMIT, memory_bytes=2 << 20) as it:
        it.load(bundle())
        yield it


def check_works(device: PynqDevice) -> None:
    np.testing.assert_array_equal(device.run(IMAGE, task="second").outputs["second"], table(1))


@functools.cache
def frame_of_a_model() -> tuple[Bundle, NDArray[np.uint8], Result]:
    """A bundle that needs all of its buffers, an image for it, and what it makes of that."""
    model = peritus.compile(peritus.load_model("m3vit_micro"), hw=HW)
    image = np.random.default_rng(3).integers(0, 256, (model.image_height, model.image_width, 3), np.uint8)
    with IssDevice(HW) as reference:
        reference.load(model)
        return model, image, reference.run(image, task="semseg", features=True)


def register(device: PynqDevice, name: str) -> int:
    """The pair of registers NAME_LO, NAME_HI."""
    low, high = (device.platform.read32(Offset[f"{name}_{half}"]) for half in ("LO", "HI"))
    return high << 32 | low


class TestFrames:
    @pytest.mark.parametrize("interrupts", [True, False])
    def test_a_model_is_bit_exact(self, interrupts: bool) -> None:
        model = peritus.compile(peritus.load_model("m3vit_micro"), hw=HW)
        rng = np.random.default_rng(3)
        images = rng.integers(0, 256, (2, model.image_height, model.image_width, 3), np.uint8)
        tasks = ["semseg", "depth"]
        with PynqSimDevice(HW, limit=LIMIT, interrupts=interrupts) as device:
            assert device.platform.has_interrupt == interrupts
            device.load(model)
            results = device.run_batch(images, tasks, features=True)
        with IssDevice(HW) as reference:
            reference.load(model)
            for expected, result in zip(reference.stream(images, tasks, features=True), results, strict=True):
                assert same_result(result, expected)
                assert result.perf.cycles is not None

    def test_a_camera_writes_into_the_frame_buffers(self, device: PynqSimDevice) -> None:
        frames = []

        def camera() -> Iterator[NDArray[np.uint8]]:
            for number in range(2 * FRAME_BUFFERS):
                buffer = device.buffer()
                buffer[:] = number
                frames.append(buffer)
                yield buffer

        tasks = ["first", "second", "second"]
        for result, task in zip(device.stream(camera(), cycle(tasks)), cycle(tasks), strict=False):
            np.testing.assert_array_equal(result.outputs[task], table(("first", "second").index(task)))
        assert len(frames) == 2 * FRAME_BUFFERS
        # What the device reads is the camera's last frame, at the address that it was given last.
        start = register(device, "JOB_IMAGE") - device.simulated_board.memory_base
        seen = device.simulated_board.memory[start:][: IMAGE.size]
        np.testing.assert_array_equal(seen, 2 * FRAME_BUFFERS - 1)

    @pytest.mark.parametrize(
        ("call", "window"),
        [("flush", window) for window in Window]
        + [("invalidate", Window.OUTPUT), ("invalidate", Window.FEATURES)],
    )
    def test_caches_that_are_forgotten_are_noticed(
        self, call: str, window: Window, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The board's caches are real enough to fail a driver that forgets them anywhere."""
        model, image, expected = frame_of_a_model()
        with PynqSimDevice(HW, limit=LIMIT) as device:
            board, buffers = device.simulated_board, []
            allocate, maintain = board.allocate, getattr(board, call)

            def remember(*arguments: Any, **kwargs: Any) -> Any:
                buffer = allocate(*arguments, **kwargs)
                buffers.append(buffer.bo)
                return buffer

            def forget(bo: Any, *place: Any) -> None:
                if buffers.index(bo) != list(Window).index(window):
                    maintain(bo, *place)

            monkeypatch.setattr(board, "allocate", remember)
            monkeypatch.setattr(board, call, forget)

            def exact() -> bool:
                try:
                    device.load(model)
                    return same_result(device.run(image, task="semseg", features=True), expected)
                except DeviceError:
                    return False  # a program of garbage

            # Once in a while all lines are evicted in time, or the last value wins.
            assert not all(exact() for _ in range(4))
            monkeypatch.undo()
            device.load(model)
            assert same_result(device.run(image, task="semseg", features=True), expected)

    def test_in_a_notebook_and_in_a_thread(self, device: PynqSimDevice) -> None:
        async def cell() -> None:  # a notebook's event loop is running already
            check_works(device)

        asyncio.run(cell())
        failed: list[BaseException] = []

        def work() -> None:
            try:
                check_works(device)
            except BaseException as error:
                failed.append(error)

        thread = threading.Thread(target=work)
        thread.start()
        thread.join(60)
        assert not failed

    def test_registers_by_name(self, device: PynqSimDevice) -> None:
        cell = getattr(device.overlay, ip.INSTANCE)
        assert type(cell).__name__ == "PeritusIP"
        assert int(cell.register_map.ID) == 0x50455254
        assert int(cell.register_map.STATUS.PROGRAM_LOADED) == 1


class TestBitstream:
    def test_no_board(self, tmp_path: Path) -> None:
        for name in ("peritus_nano.bit", "peritus_nano.hwh"):
            with pytest.raises(BoardError, match=f"{name} does not exist"):
                PynqDevice(HW, bitstream=tmp_path / "peritus_nano.bit")
            (tmp_path / name).touch()
        with pytest.raises(BoardError, match="PYNQ finds no board"):
            PynqDevice(HW, bitstream=tmp_path / "peritus_nano.bit")

    def test_only_root_drives_a_board(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        import pynq

        for name in ("peritus_nano.bit", "peritus_nano.hwh"):
            (tmp_path / name).touch()
        monkeypatch.setattr(type(pynq.Device), "devices", property(lambda _: ["a board"]))
        monkeypatch.setattr(os, "geteuid", lambda: 1000)
        with pytest.raises(BoardError, match=r"only root .* user 1000"):
            PynqDevice(HW, bitstream=tmp_path / "peritus_nano.bit", lock_folder=tmp_path)

    def test_no_place_for_the_lock(self, tmp_path: Path) -> None:
        from peritus.runtime.virtual.pynq_board import SimulatedBoard
        from peritus.runtime.virtual.soc import write_bitstream

        board, bitstream = SimulatedBoard(), write_bitstream(tmp_path, HW)
        with pytest.raises(
            BoardError, match=r"lock file .*/absent/peritus_.*\.lock cannot be opened: No such"
        ):
            PynqDevice(HW, bitstream=bitstream, board=board, lock_folder=tmp_path / "absent")

    def test_no_pynq(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "pynq", None)
        with pytest.raises(BoardError, match=r"not installed.*pip install .*\[board\]"):
            PynqSimDevice(HW)

    def test_wrong_ones(self, tmp_path: Path) -> None:
        from peritus.runtime.virtual.pynq_board import SimulatedBoard
        from peritus.runtime.virtual.soc import write_bitstream

        board = SimulatedBoard()
        nano = write_bitstream(tmp_path, HW)
        edge = load_config("edge")
        with pytest.raises(ForeignDevice, match=rf"{HW.hash64:#018x}, edge is {edge.hash64:#018x}"):
            PynqDevice(edge, bitstream=nano, board=board, lock_folder=tmp_path)
        old = ip.VLNV.replace(ip.VERSION, "0.9")
        for vlnv, hint in ((old, old), ("xilinx.com:ip:axi_dma:7.1", "axi_dma")):
            write_bitstream(tmp_path, HW, vlnv=vlnv)
            said = rf"has no {ip.VLNV}; it has .*{hint}.*; build the bitstream"
            with pytest.raises(ForeignDevice, match=said):
                PynqDevice(HW, bitstream=nano, board=board, lock_folder=tmp_path)
        write_bitstream(tmp_path, HW)
        nano.write_bytes(bytes(100))
        with pytest.raises(BoardError, match="no bitstream of a simulated board"):
            PynqDevice(HW, bitstream=nano, board=board, lock_folder=tmp_path)
        nano.with_suffix(".hwh").write_text("<x/>")
        with pytest.raises(BoardError, match="loading"):
            PynqDevice(HW, bitstream=nano, board=board, lock_folder=tmp_path)
        write_bitstream(tmp_path, HW)
        with PynqDevice(
            HW, bitstream=nano, board=board, lock_folder=tmp_path
        ) as device:  # the board is as good as before
            device.load(bundle())
            check_works(device)

    def test_one_that_never_ends_loading(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        from peritus.runtime.virtual.pynq_board import SimulatedBoard
        from peritus.runtime.virtual.soc import write_bitstream

        board, go_on = SimulatedBoard(), threading.Event()
        configure = board.configure
        monkeypatch.setattr(board, "configure", lambda hw: (go_on.wait(60), configure(hw)))
        bitstream = write_bitstream(tmp_path, HW)
        with monkeypatch.context() as patch:
            patch.setattr(pynq_device, "PYNQ_TIMEOUT_S", 0.2)
            with pytest.raises(BoardError, match=r"loading .*peritus_nano.bit: not done within 0\.2 s"):
                PynqDevice(HW, bitstream=bitstream, board=board, lock_folder=tmp_path)
        with pytest.raises(DeviceBusy, match="open already"):  # the bitstream may come yet
            PynqDevice(HW, bitstream=bitstream, board=board, lock_folder=tmp_path)
        go_on.set()
        for thread in threading.enumerate():
            if thread.name == "peritus-pynq":
                thread.join(10)
        with PynqDevice(HW, bitstream=bitstream, board=board, lock_folder=tmp_path) as device:
            device.load(bundle())
            check_works(device)

    def test_bundle_for_another_configuration(self, device: PynqSimDevice) -> None:
        with pytest.raises(
            BundleConfigError, match=f"compiled for nano .*the device is nano .*{HW.hash64:#018x}"
        ):
            device.load(replace(bundle(), hw=replace(HW, act_words=HW.act_words // 2)))
        check_works(device)


class TestMemory:
    def test_no_room(self, device: PynqSimDevice) -> None:
        weights = np.zeros(device.simulated_board.memory.size, np.uint8)
        with pytest.raises(BoardError, match=f"no {weights.size} bytes of contiguous memory"):
            device.load(replace(bundle(), weights=weights))
        device.load(bundle())
        check_works(device)

    def test_memory_is_given_back_only_when_nobody_sees_it(self, device: PynqSimDevice) -> None:
        kept = device.buffer()
        kept[:] = 7
        for _ in range(3):
            device.load(bundle())
            device.buffer()[:] = 1
        assert (kept == 7).all()
        before = device.simulated_board.allocated
        del kept
        assert device.simulated_board.allocated < before

    @pytest.mark.parametrize("access", HOSTILE)
    @pytest.mark.usefixtures("unverified")
    def test_a_hostile_bundle_writes_nowhere_else(self, device: PynqSimDevice, access: str) -> None:
        _, program, fetches = HOSTILE[access]
        device.load(bundle(program, fetches))
        memory, base = device.simulated_board.memory, device.simulated_board.memory_base
        windows = {
            name: slice(
                register(device, f"GUARD_{name}_BASE") - base, register(device, f"GUARD_{name}_LIMIT") - base
            )
            for name in ("PROGRAM", "WEIGHTS", "IMAGE", "OUTPUT", "FEATURES")
        }
        free = np.ones(memory.size, bool)
        for window in windows.values():
            free[window] = False
        assert free.sum() == memory.size - device.simulated_board.allocated
        memory[free] = 0xA5
        before = memory.copy()
        for _ in range(2):
            with pytest.raises(GuardError, match=access):
                device.run(IMAGE, task="first", features=True)
            check_works(device)
        for name in ("IMAGE", "OUTPUT", "FEATURES"):  # written by the host, by the good job
            memory[windows[name]] = before[windows[name]]
        np.testing.assert_array_equal(memory, before)
        assert device.simulated_board.simulation.violations() == ([], 0)

    def test_bus_error(self, device: PynqSimDevice, monkeypatch: pytest.MonkeyPatch) -> None:
        """The fourth buffer, the results, lies where no memory answers."""
        board, count = device.simulated_board, 0
        real = board.allocate

        def allocate(shape: Any, dtype: Any, **kwargs: Any) -> Any:
            nonlocal count
            count += 1
            buffer = real(shape, dtype, **kwargs)
            if count == 4:
                buffer.device_address += board.memory.size
            return buffer

        with monkeypatch.context() as patch:
            patch.setattr(board, "allocate", allocate)
            device.load(bundle())
        with pytest.raises(DeviceBusError, match="write answered with SLVERR or DECERR") as caught:
            device.run(IMAGE, task="first")
        assert caught.value.address >= board.memory_base + board.memory.size
        device.load(bundle())
        check_works(device)

    @pytest.mark.usefixtures("unverified")
    def test_a_count_of_zero(self, device: PynqSimDevice) -> None:
        """Refused before the unit that would count for ever has started."""
        device.load(bundle((replace(INIT, task_mask=1, tokens=0), *PROGRAM[1:])))
        for _ in range(2):
            with pytest.raises(InstructionError, match=r"instruction 0 \(step 0\).*count of zero"):
                device.run(IMAGE, task="first")
            check_works(device)


class TestTime:
    @pytest.mark.usefixtures("unverified")
    def test_silent_in_mid_run(self) -> None:
        with PynqSimDevice(HW, limit=SHORT) as device:
            device.load(bundle(fetches=FETCHES[1:]))  # in task "first" weights are waited for that never come
            start = time.monotonic()
            with pytest.raises(DeviceTimeout, match=r"nothing within 1 s.*instruction 0 \(step 0\)"):
                device.run(IMAGE, task="first")
            assert time.monotonic() - start < 10
            check_works(device)

    @pytest.mark.parametrize(
        ("silent", "message", "write"),
        [
            (
                DdrParameters(silent_reads=(0,)),
                r"^reads of memory port 0 \(m00\) have had no answer; .*program",
                False,
            ),
            (
                DdrParameters(silent_writes=(0,)),
                r"^writes of memory port 0 \(m00\) have had no answer; .*job",
                True,
            ),
        ],
        ids=["reads", "writes"],
    )
    def test_a_port_that_never_answers(
        self, silent: DdrParameters, message: str, write: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """By the device's registers alone."""
        monkeypatch.setattr("peritus.runtime.driver.accelerator.RESET_TIMEOUT_S", 0.1)
        with PynqSimDevice(HW, limit=SHORT, ddr=silent) as device:

            def frame() -> None:
                device.load(bundle())
                device.run(IMAGE, task="first")

            with pytest.raises(PortTimeout, match=message) as caught:
                frame()
            assert (caught.value.ports, caught.value.write) == ((0,), write)

    def test_interrupts_that_get_lost_cost_time_only(
        self, device: PynqSimDevice, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(type(device.simulated_board.controller), "output", property(lambda _: False))
        check_works(device)

    def test_a_device_beyond_soft_reset_gets_its_bitstream_again(self, device: PynqSimDevice) -> None:
        device.simulated_board.simulation.close()
        with pytest.raises(SimulationError, match="closed"):
            device.run(IMAGE, task="first")
        check_works(device)

    def test_reset_in_mid_run(self, device: PynqSimDevice) -> None:
        stream = device.stream(cycle([IMAGE]), cycle(["first"]))
        next(stream)
        stream.close()  # with two more jobs in the queue
        device.reset()
        check_works(device)


class TestConcurrentUse:
    def test_a_board_opens_once(self, tmp_path: Path) -> None:
        from peritus.runtime.virtual.pynq_board import SimulatedBoard
        from peritus.runtime.virtual.soc import write_bitstream

        board, bitstream = SimulatedBoard(), write_bitstream(tmp_path, HW)
        with PynqDevice(HW, bitstream=bitstream, board=board, lock_folder=tmp_path) as device:
            device.load(bundle())
            with pytest.raises(DeviceBusy, match="open already"):
                PynqDevice(HW, bitstream=bitstream, board=board, lock_folder=tmp_path)
            check_works(device)
        with PynqDevice(HW, bitstream=bitstream, board=board, lock_folder=tmp_path) as device:
            device.load(bundle())
            check_works(device)

    def test_two_threads(self, device: PynqSimDevice) -> None:
        """One gets the device, the other one an error, and nobody a wrong result."""
        refused, wrong = [], []

        def work(task: str, expected: NDArray[np.int16]) -> None:
            for _ in range(10):
                try:
                    result = device.run(IMAGE, task=task)
                except DeviceBusy:
                    refused.append(task)
                    time.sleep(0.01)
                else:
                    if not (result.outputs[task] == expected).all():
                        wrong.append(task)

        threads = [
            threading.Thread(target=work, args=(task, table(index)))
            for index, task in enumerate(("first", "second"))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert refused
        assert not wrong
        check_works(device)

    def test_closing_under_another_thread(self, device: PynqSimDevice) -> None:
        seen, running = [], threading.Event()

        def camera() -> Iterator[NDArray[np.uint8]]:
            while True:
                yield IMAGE

        def work() -> None:
            try:
                for _ in device.stream(camera(), cycle(["first"])):
                    running.set()
            except BaseException as error:
                seen.append(type(error))

        thread = threading.Thread(target=work)
        thread.start()
        assert running.wait(60)
        device.close()
        thread.join(60)
        assert seen == [DeviceClosed]

    def test_another_overlay_in_its_place(self, device: PynqSimDevice, tmp_path: Path) -> None:
        import pynq

        from peritus.runtime.virtual.soc import write_bitstream

        pynq.Overlay(str(write_bitstream(tmp_path, HW)), device=device.simulated_board)
        with pytest.raises(BoardError, match="another overlay has replaced peritus_nano"):
            device.run(IMAGE, task="first")
        with pytest.raises(BoardError, match="another overlay"):
            device.load(bundle())

    def test_two_boards_side_by_side(self, device: PynqSimDevice) -> None:
        with PynqSimDevice(HW, limit=LIMIT) as other:
            other.load(bundle())
            check_works(other)
            check_works(device)
