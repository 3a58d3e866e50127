# SPDX-License-Identifier: Apache-2.0
"""Frames as the host makes and reads them, without a board."""

from __future__ import annotations

import random
import struct
import zlib

import pytest

from peritus.arch.link import CRC_RESIDUE, ESCAPE, FLAG, MAGIC, VERSION, Command, Status
from peritus.runtime.driver.errors import ForeignDevice
from peritus.runtime.serial.client import LinkClient, Patience
from peritus.runtime.serial.errors import LinkCorrupted, LinkRefused, LinkTimeout, PortError
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

    def write(self, data: bytes) -> None:
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


def test_the_level_of_the_interrupt_comes_with_every_answer() -> None:
    opened, _ = client(struct.pack("<BHI", 0x80, 1, 7), struct.pack("<BHI", 0, 1, 7))
    levels = [(opened.read_register(0), opened.interrupt)[1] for _ in range(2)]
    assert levels == [True, False]


def test_no_such_port() -> None:
    with pytest.raises(PortError, match=r"/dev/no-such-port at 2000000 baud"):
        SerialTransport("/dev/no-such-port", 2_000_000)
