# SPDX-License-Identifier: Apache-2.0
"""The real host code against the simulated board, bit by bit: lines that fail, boards that are silent."""

from __future__ import annotations

import os
import random
import select
import threading
import tty
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

import peritus
from peritus.arch.link import MAX_WORDS, Command
from peritus.bundle import Bundle
from peritus.compiler import compile_model
from peritus.demo import SCENE
from peritus.image import fit_image
from peritus.ir.random_model import random_model
from peritus.photo import read_photo
from peritus.report import same_result
from peritus.runtime.device import Result
from peritus.runtime.driver.errors import ForeignDevice
from peritus.runtime.driver.platform import Limit
from peritus.runtime.errors import DeviceBusy, DeviceClosed
from peritus.runtime.iss.device import IssDevice
from peritus.runtime.serial.client import Patience
from peritus.runtime.serial.device import LinkDevice, UartDevice
from peritus.runtime.serial.errors import LinkCorrupted, LinkError, LinkRefused, LinkTimeout
from peritus.runtime.serial.image import ImageError, memory_image, memory_needed, write_banks
from peritus.runtime.serial.transport import Transport
from peritus.runtime.virtual.uart_line import MEMORY_BYTES, SimulatedLine, build_line
from peritus.runtime.virtual.ulx3s import UartSimDevice
from tests.common.serial_board import NANO, SMALL, Board

pytestmark = pytest.mark.sim
Image = NDArray[np.uint8]


def works(board: Board, image: Image, expected: Result) -> bool:
    """One frame, bit for bit."""
    return same_result(board.run(image, task="task0", features=True), expected)


def test_m3vit_micro_over_the_line() -> None:
    """At 2 Mbaud, with the weights where the bitstream has them: nothing but the frame travels."""
    image = fit_image(read_photo(SCENE), 32, 64)
    bundle = peritus.compile(peritus.load_model("m3vit_micro"), hw=NANO)
    with IssDevice(NANO) as reference:
        reference.load(bundle)
        expected = reference.run(image, task="semseg")
    sent: list[int] = []
    with UartSimDevice(NANO, preloaded=bundle, sending=lambda done, total: sent.append(total)) as board:
        board.load(bundle)
        assert not sent
        assert same_result(board.run(image, task="semseg"), expected)
        assert set(sent) == {bundle.frame.bytes}
        assert board.client.repeated == 0


def test_another_bundle_is_sent(board: Board, small_image: Image) -> None:
    """What the bitstream does not hold travels over the line."""
    other = compile_model(random_model(SMALL, 3), NANO)
    with IssDevice(NANO) as reference:
        reference.load(other)
        expected = reference.run(small_image, task="task0", features=True)
    before = board.wire.sent
    board.load(other)
    assert board.wire.sent - before > other.weights.size
    assert works(board, small_image, expected)


def noise(chance: float, seed: int) -> Callable[[bytes], bytes]:
    """Of each byte: one bit wrong, or the whole byte lost."""
    generator = random.Random(seed)

    def disturb(data: bytes) -> bytes:
        out = bytearray()
        for byte in data:
            draw = generator.random()
            if draw >= chance / 2:
                out.append(byte ^ (1 << generator.randrange(8) if draw < chance else 0))
        return bytes(out)

    return disturb


def test_a_noisy_line_changes_no_integer(
    board: Board, small: Bundle, small_image: Image, expected: Result
) -> None:
    board.load(small)
    repeated = board.client.repeated
    board.wire.to_board, board.wire.from_board = noise(4e-3, 1), noise(4e-3, 2)
    assert works(board, small_image, expected)
    assert board.client.repeated > repeated


def test_a_register_write_is_carried_out_once(
    board: Board, small: Bundle, small_image: Image, expected: Result
) -> None:
    """Every second answer is lost. A job submitted twice would not fit the queue of two."""
    board.load(small)
    lost = [False]

    def lose(data: bytes) -> bytes:
        lost[0] = not lost[0]
        return b"" if lost[0] else data

    class Whole:
        """Hands on whole answers."""

        def __init__(self) -> None:
            self.text = b""

        def __call__(self, data: bytes) -> bytes:
            self.text += data
            if self.text.count(b"\x7e") < 2:
                return b""
            text, self.text = self.text, b""
            return lose(text)

    board.wire.from_board = Whole()
    results = board.run_batch([small_image] * 3, ["task0"] * 3, features=True)
    assert all(same_result(result, expected) for result in results)


def silence(data: bytes) -> bytes:
    return b""


def test_a_silent_board(board: Board, small: Bundle, small_image: Image, expected: Result) -> None:
    """Mid-run: an error within its time-outs, and the next frame is right."""
    board.load(small)
    heard = [0]

    def fades(data: bytes) -> bytes:
        heard[0] += len(data)
        return data if heard[0] < 150 else b""

    board.wire.from_board = fades
    before = board.line.cycles
    with pytest.raises(LinkTimeout, match="no answer"):
        board.run(small_image, task="task0")
    assert board.line.cycles - before < 20_000_000
    board.wire.from_board = lambda data: data
    assert works(board, small_image, expected)


def test_a_line_that_damages_everything(
    board: Board, small: Bundle, small_image: Image, expected: Result
) -> None:
    board.load(small)
    board.wire.to_board = lambda data: data[:3] + b"?" + data[4:]
    with pytest.raises(LinkCorrupted, match="every frame was damaged"):
        board.run(small_image, task="task0")
    board.wire.to_board = lambda data: data
    assert works(board, small_image, expected)


def test_what_the_board_refuses(board: Board, small: Bundle, small_image: Image, expected: Result) -> None:
    board.load(small)
    client, memory = board.client, board.client.memory_bytes
    for request, reason in [
        ((Command.READ_MEMORY, 1, 4), "misaligned"),
        ((Command.READ_MEMORY, 1, memory), "outside"),
        ((Command.READ_MEMORY, 2, memory - 8), "outside"),
        ((Command.CHECKSUM, 2, memory - 8), "outside"),
        ((Command.READ_REGISTER, 1, 0x1000), "outside"),
        ((Command.READ_REGISTER, 1, 2), "misaligned"),
        ((Command.READ_REGISTER, 2, 0), "payload"),
        ((Command.READ_MEMORY, MAX_WORDS + 1, 0), "payload"),
        ((Command.READ_MEMORY, 0, 0), "payload"),
        ((Command.WRITE_MEMORY, 1, 0), "payload"),
        ((99, 1, 0), "unknown command"),
    ]:
        command, count, address = request
        with pytest.raises(LinkRefused, match=reason):
            client.request(
                command if isinstance(command, Command) else _Unknown(command), count=count, address=address
            )
    assert works(board, small_image, expected)


class _Unknown(int):
    name = "UNKNOWN"


def test_memory_is_what_was_written(board: Board) -> None:
    """Odd sizes and places, all of the last bank, bytes that need stuffing."""
    generator = np.random.default_rng(1)
    client = board.client
    for address, size in [(0, 8), (65536 - 8, 16), (board.client.memory_bytes - 2048, 2048), (4096, 2056)]:
        data = generator.choice(np.array([0x7D, 0x7E, 0x20, 0xFF], np.uint8), size).tobytes()
        client.write_memory(address, data)
        assert client.read_memory(address, size) == data
    board._unload()


def test_a_board_of_another_configuration(small: Bundle) -> None:
    other = replace(NANO, act_words=2048)
    library = build_line(NANO)

    class Foreign(LinkDevice):
        def _transport(self) -> Transport:
            return SimulatedLine(library, 50e6)

    with pytest.raises(ForeignDevice, match=f"{other.hash64:#018x}"):
        Foreign(other)


def test_the_line_stays_open_while_a_thread_is_at_it(
    small: Bundle, small_image: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    board, ended = Board(small), []
    board.load(small)
    at_device, go_on = threading.Event(), threading.Event()

    def wait(data: bytes) -> bytes:
        at_device.set()
        assert go_on.wait(60)
        return data

    def work() -> None:
        try:
            board.run(small_image, task="task0")
        except DeviceClosed:
            ended.append("closed")

    board.wire.to_board = wait
    worker = threading.Thread(target=work)
    worker.start()
    assert at_device.wait(10)
    with monkeypatch.context() as patch:
        patch.setattr(board, "_longest_s", 0.2)
        with pytest.raises(DeviceBusy, match=r"another thread after 0\.2 s"):
            board.close()
    assert board.client  # LinkError if it is closed
    go_on.set()
    worker.join(60)
    assert ended == ["closed"]  # and not an error of the line
    board.close()


@pytest.mark.usefixtures("unverified")
def test_what_does_not_fit(board: Board, small: Bundle) -> None:
    large = replace(small, weights=np.zeros(board.client.memory_bytes, np.uint8))
    with pytest.raises(ImageError, match=f"needs {memory_needed(large)} bytes"):
        memory_image(large, board.client.memory_bytes)
    with pytest.raises(LinkError, match="no room"):
        board.load(large)


def test_through_a_serial_port(
    small: Bundle, small_image: Image, expected: Result, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """pyserial on a pseudo terminal, at whose other end the simulated board runs."""
    folder = tmp_path_factory.mktemp("image")
    write_banks(memory_image(small, MEMORY_BYTES), folder)
    line = SimulatedLine(build_line(NANO), 50e6, folder)
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    stop = threading.Event()

    def pump() -> None:
        while not stop.is_set():
            if select.select([ours], [], [], 0)[0]:
                line.write(os.read(ours, 4096))
            if data := line.read(1e-4):
                os.write(ours, data)

    thread = threading.Thread(target=pump)
    thread.start()
    try:
        patience = Patience(timeout_s=20, attempts=2)
        port = os.ttyname(theirs)
        with UartDevice(NANO, port=port, limit=Limit(seconds=300), patience=patience) as device:
            device.load(small)
            assert same_result(device.run(small_image, task="task0", features=True), expected)
    finally:
        stop.set()
        thread.join(timeout=30)
        os.close(ours)
        os.close(theirs)
        line.close()
