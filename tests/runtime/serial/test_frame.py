# SPDX-License-Identifier: Apache-2.0
"""Frames as the host makes and reads them, without a board."""

from __future__ import annotations

import os
import random
import select
import struct
import sys
import threading
import time
import tty
import zlib

import pytest

from peritus.arch.link import CRC_RESIDUE, ESCAPE, FLAG, MAGIC, VERSION, Command, Status
from peritus.runtime.driver.errors import ForeignDevice
from peritus.runtime.serial.client import LinkClient, Patience
from peritus.runtime.serial.errors import LinkCorrupted, LinkError, LinkRefused, LinkTimeout, PortError
from peritus.runtime.serial.frame import LONGEST, FrameReader, decode, decode_answer, encode
from peritus.runtime.serial.port import SerialTransport

RANDOM = random.Random(1)
BODIES = [bytes(RANDOM.choice([FLAG, ESCAPE, RANDOM.randrange(256)]) for _ in range(n)) for n in range(1, 80)]


def test_a_frame_from_the_standard() -> None:
    """RFC 1662: the body's CRC-32, least significant byte first, stuffed like the body."""
    assert encode(b"\x7e\x01") == b"\x7e\x7d\x5e\x01" + struct.pack("<I", zlib.crc32(b"\x7e\x01")) + b"\x7e"
    crc = zlib.crc32(b"body" + struct.pack("<I", zlib.crc32(b"body")))
    assert crc ^ 0xFFFF_FFFF == CRC_RESIDUE


def test_every_body_survives() -> None:
    reader = FrameReader()
    stream = b"noise" + b"".join(map(encode, BODIES))
    found = []
    for i in range(0, len(stream), 7):
        found += reader.feed(stream[i : i + 7])
    assert [decode(text) for text in found] == [None, *BODIES]


def test_damage_is_seen() -> None:
    for body in BODIES:
        frame = bytearray(encode(body)[1:-1])
        frame[RANDOM.randrange(len(frame))] ^= 1 << RANDOM.randrange(8)
        assert all(decode(text) is None for text in bytes(frame).split(bytes([FLAG])))
        assert decode(encode(body)[1:-2]) is None
    assert decode(b"") is None and decode(bytes([ESCAPE])) is None
    assert decode_answer(encode(bytes([0, 99, 0, 0]))[1:-1]) is None, "unknown status"


def test_noise_without_flags_takes_no_memory() -> None:
    reader = FrameReader()
    for _ in range(100):
        reader.feed(bytes(1000))
    assert len(reader._text) <= LONGEST


class Script:
    """A board that answers each request with the next of some texts; None is silence."""

    byte_s = 0.0

    def __init__(self, *answers: bytes | None) -> None:
        self.answers = list(answers)
        self.pending = b""
        self.requests: list[bytes] = []

    def now(self) -> float:
        return 0.0

    def write(self, data: bytes, timeout_s: float) -> None:
        for text in FrameReader().feed(data):
            body = decode(text)
            assert body is not None
            self.requests.append(body)
            answer = self.answers.pop(0) if self.answers else None
            self.pending += encode(bytes([body[0]]) + answer) if answer is not None else b""

    def read(self, timeout_s: float) -> bytes:
        data, self.pending = self.pending, b""
        return data

    def close(self) -> None:
        pass


IDENTITY = struct.pack("<BH", 0, 1) + struct.pack("<III", MAGIC, VERSION, 1 << 16)
PATIENCE = Patience(timeout_s=0, attempts=3)


def client(*answers: bytes | None) -> tuple[LinkClient, Script]:
    script = Script(IDENTITY, *answers)
    return LinkClient(script, PATIENCE), script


def test_an_answer_is_waited_for_so_often_and_no_more() -> None:
    opened, script = client(None, None, struct.pack("<BHI", 0, 1, 7))
    assert opened.read_register(4) == 7
    assert len(script.requests) == 4 and len(set(script.requests[1:])) == 1, "repeated as it was"
    with pytest.raises(LinkTimeout, match=r"READ_REGISTER of 1 at 0x8: no answer \(asked 3 times"):
        opened.read_register(8)
    assert len(script.requests) == 7


def test_nobody_there() -> None:
    with pytest.raises(LinkTimeout, match="IDENTIFY"):
        LinkClient(Script(), PATIENCE)


def test_somebody_else_there() -> None:
    for identity in (struct.pack("<III", 1, VERSION, 0), struct.pack("<III", MAGIC, VERSION + 1, 0)):
        with pytest.raises(ForeignDevice, match=r"link 0x.*; build the bitstream"):
            LinkClient(Script(struct.pack("<BH", 0, 1) + identity), PATIENCE)


def test_a_refusal_names_the_reason() -> None:
    opened, _ = client(struct.pack("<BH", Status.ADDRESS, 1))
    with pytest.raises(LinkRefused, match="misaligned, or outside"):
        opened.request(Command.READ_MEMORY, address=3, answer_bytes=8)


def test_an_answer_of_another_length_is_no_answer() -> None:
    opened, _ = client(*[struct.pack("<BH", 0, 1)] * 3)
    with pytest.raises(LinkCorrupted, match="every frame was damaged"):
        opened.read_register(0)


def test_a_line_that_never_rests_is_not_waited_for() -> None:
    opened, script = client()
    script.read = lambda timeout_s: b"x" * 512  # type: ignore[method-assign]
    with pytest.raises(LinkCorrupted):
        opened.read_register(0)


class Babble:
    """A line that takes `pause_s` for each piece of what it says, without end."""

    byte_s = 0.0

    def __init__(self, piece: bytes, pause_s: float) -> None:
        self.piece, self.pause_s = piece, pause_s
        self.time = 0.0
        self.written = 0

    def now(self) -> float:
        return self.time

    def write(self, data: bytes, timeout_s: float) -> None:
        self.written += 1

    def read(self, timeout_s: float) -> bytes:
        waited = min(self.pause_s, max(timeout_s, 0.0))
        self.time += waited
        return self.piece if waited == self.pause_s else b""

    def close(self) -> None:
        pass


OTHERS = encode(struct.pack("<BBHI", 0, 0, 1, 7))


@pytest.mark.parametrize("pause_s", [0.0, 1e-6, 0.01, 0.49, 0.51])
@pytest.mark.parametrize("piece", [b"x", b"\x7e", b"\x7d", b"\x7e\x7e", OTHERS, bytes(4096)])
def test_a_line_that_never_rests_has_a_deadline(pause_s: float, piece: bytes) -> None:
    """Bytes one by one, just before each time-out; empty frames; somebody else's answers; a flood."""
    line = Babble(piece, pause_s)
    with pytest.raises((LinkCorrupted, LinkTimeout), match="asked 5 times"):
        LinkClient(line, Patience(timeout_s=0.5, attempts=5))
    assert line.written == 1 + 5
    assert line.time <= 6 * 0.5 + 1e-6


def test_an_answer_that_takes_its_time_on_the_line_is_waited_for() -> None:
    """A long answer at a low rate: what it needs on the line is no impatience."""

    class Slow(Script):
        byte_s = 1e-3
        time = 0.0

        def now(self) -> float:
            return self.time

        def read(self, timeout_s: float) -> bytes:
            if not self.pending or timeout_s < self.byte_s:
                self.time += max(timeout_s, 0.0)
                return b""
            self.time += self.byte_s
            data, self.pending = self.pending[:1], self.pending[1:]
            return data

    payload = bytes([FLAG]) * 2048
    slow = Slow(IDENTITY, struct.pack("<BH", 0, 256) + payload)
    opened = LinkClient(slow, Patience(timeout_s=0.01, attempts=1))
    assert opened.read_memory(0, 2048) == payload
    assert slow.time > 4096 * Slow.byte_s


@pytest.mark.parametrize("wrong", [{"timeout_s": -1.0}, {"timeout_s": float("nan")}, {"attempts": 0}])
def test_patience_without_sense(wrong: dict[str, float]) -> None:
    with pytest.raises(LinkError, match=f"{next(iter(wrong))} = {next(iter(wrong.values()))}, must be"):
        Patience(**wrong)  # type: ignore[arg-type]


@pytest.mark.skipif(sys.platform != "linux", reason="a pseudo terminal in place of the port")
@pytest.mark.parametrize("pause_s", [0.0, 0.04])
def test_a_port_that_never_rests(pause_s: float) -> None:
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    stop = threading.Event()

    def babble() -> None:
        while not stop.wait(pause_s):
            if select.select([], [ours], [], 0)[1]:
                os.write(ours, b"y")

    thread = threading.Thread(target=babble)
    thread.start()
    try:
        port = SerialTransport(os.ttyname(theirs), 2_000_000)
        start = time.monotonic()
        with pytest.raises((LinkCorrupted, LinkTimeout), match="asked 3 times"):
            LinkClient(port, Patience(timeout_s=0.05, attempts=3))
        assert time.monotonic() - start < 5
        port.close()
    finally:
        stop.set()
        thread.join(10)
        os.close(ours)
        os.close(theirs)


def test_a_port_that_takes_nothing() -> None:
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    port = SerialTransport(os.ttyname(theirs), 2_000_000)
    start = time.monotonic()
    with pytest.raises(PortError, match=r"[Tt]imeout"):
        port.write(bytes(1 << 20), 0.2)
    assert time.monotonic() - start < 5
    port.close()
    os.close(ours)
    os.close(theirs)


def test_the_level_of_the_interrupt_comes_with_every_answer() -> None:
    opened, _ = client(struct.pack("<BHI", 0x80, 1, 7), struct.pack("<BHI", 0, 1, 7))
    levels = [(opened.read_register(0), opened.interrupt)[1] for _ in range(2)]
    assert levels == [True, False]


def test_a_rate_that_no_port_has() -> None:
    ours, theirs = os.openpty()
    with pytest.raises(PortError, match="at 1000000000000 baud: "):
        SerialTransport(os.ttyname(theirs), 10**12)
    os.close(ours)
    os.close(theirs)


def test_no_such_port() -> None:
    with pytest.raises(PortError, match=r"/dev/no-such-port at 2000000 baud"):
        SerialTransport("/dev/no-such-port", 2_000_000)
    for baud in (0, -9600):
        with pytest.raises(PortError, match=f"at {baud} baud: must be 1 or more"):
            SerialTransport("/dev/no-such-port", baud)
