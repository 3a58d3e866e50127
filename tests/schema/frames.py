# SPDX-License-Identifier: Apache-2.0
"""Damaged answers on a serial line; and what the host's end makes of them."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from peritus.arch.link import (
    ANSWER_BYTES,
    ESCAPE,
    FLAG,
    MAGIC,
    MAX_WORDS,
    VERSION,
    WORD_BYTES,
    Command,
    Status,
)
from peritus.runtime.serial.client import LinkClient, Patience
from peritus.runtime.serial.frame import FrameReader, decode, encode
from tests.schema.json_damage import flipped

MEMORY = bytes(random.Random(0).randrange(256) for _ in range(MAX_WORDS * WORD_BYTES))
_REQUEST = struct.Struct("<BBHI")
_ANSWER = struct.Struct("<BBH")
REGISTER = 0x1234_5678


def answer(request: bytes) -> bytes:
    """What a board with MEMORY says to a request: the body of its frame."""
    sequence, command, count, address = _REQUEST.unpack_from(request)
    payload = {
        Command.IDENTIFY: struct.pack("<III", MAGIC, VERSION, len(MEMORY)),
        Command.READ_REGISTER: struct.pack("<I", REGISTER),
        Command.READ_MEMORY: MEMORY[address : address + count * WORD_BYTES],
        Command.CHECKSUM: struct.pack("<I", 7),
    }.get(Command(command), b"")
    return _ANSWER.pack(sequence, Status.OK, count) + payload


Damage = Callable[[bytes, random.Random], bytes]


def body_byte(body: bytes, rng: random.Random) -> bytes:
    """Inside the frame, under a checksum that fits."""
    return encode(flipped(body, rng))


def head_field(body: bytes, rng: random.Random) -> bytes:
    fields = list(_ANSWER.unpack_from(body))
    index = rng.randrange(3)
    fields[index] = rng.choice([0, 1, 5, 6, 127, 128, 133, 255] + ([65_535] if index == 2 else []))
    return encode(_ANSWER.pack(*fields) + body[ANSWER_BYTES:])


def payload_length(body: bytes, rng: random.Random) -> bytes:
    size = rng.choice([0, 1, 3, 4, 5, 8, 12, 13, 2048, 2049, 100_000])
    return encode(body[:ANSWER_BYTES] + (body[ANSWER_BYTES:] * 100_000)[:size])


def short_body(body: bytes, rng: random.Random) -> bytes:
    return encode(body[: rng.randrange(ANSWER_BYTES + 1)])


def answered_twice(body: bytes, rng: random.Random) -> bytes:
    return encode(body) * rng.choice([2, 50])


def late(body: bytes, rng: random.Random) -> bytes:
    """The answer to an earlier request first."""
    return encode(bytes([body[0] - 1 & 0xFF]) + body[1:]) + encode(body)


def noise_before(body: bytes, rng: random.Random) -> bytes:
    return rng.randbytes(rng.choice([1, 100, 10_000])) + encode(body)


def noise_only(body: bytes, rng: random.Random) -> bytes:
    return rng.randbytes(rng.choice([0, 1, 10_000, 1_000_000]))


def flags(body: bytes, rng: random.Random) -> bytes:
    return bytes([rng.choice([FLAG, ESCAPE])]) * rng.choice([1, 3, 10_000]) + encode(body)


def on_the_line(body: bytes, rng: random.Random) -> bytes:
    """Bits of the frame as it is on the line, its checksum too."""
    return flipped(encode(body), rng)


def escapes(body: bytes, rng: random.Random) -> bytes:
    frame = bytearray(encode(body))
    frame.insert(rng.randrange(len(frame)), ESCAPE)
    return bytes(frame)


KINDS: tuple[Damage, ...] = (
    body_byte,
    head_field,
    payload_length,
    short_body,
    answered_twice,
    late,
    noise_before,
    noise_only,
    flags,
    on_the_line,
    escapes,
)
# What leaves a correct frame standing must not change what is read.
HONEST = (answered_twice, late, noise_before, noise_only, flags, on_the_line, escapes)


@dataclass
class Line:
    """A board behind a line that damages some of its answers. Implements Transport."""

    damage: Damage
    rng: random.Random
    byte_s: float = 0.0
    pending: bytes = b""
    clock: float = 0.0  # seconds; waiting takes none of ours
    _reader: FrameReader = field(default_factory=FrameReader)

    def now(self) -> float:
        return self.clock

    def write(self, data: bytes, timeout_s: float) -> None:
        for text in self._reader.feed(data):
            request = decode(text)
            if request is None:
                continue
            body = answer(request)
            self.pending += self.damage(body, self.rng) if self.rng.random() < 0.4 else encode(body)

    def read(self, timeout_s: float) -> bytes:
        size = self.rng.choice([1, 7, 64, 4096])
        data, self.pending = self.pending[:size], self.pending[size:]
        self.clock += 1e-4 if data else max(timeout_s, 1e-4)
        return data

    def close(self) -> None:
        pass


def whole(body: bytes) -> bytes:
    return encode(body)


def damaged(kind: Damage, rng: random.Random) -> Line:
    return Line(kind if kind in KINDS else lambda body, _: whole(body), rng)


def judge(line: Line) -> None:
    """Talk to the board; a LinkError or ForeignDevice refuses. A value that is read is the board's."""
    client = LinkClient(line, Patience(timeout_s=1.0, attempts=4))
    honest = line.damage in HONEST
    for words in (1, 3, MAX_WORDS):
        start = line.rng.randrange(MAX_WORDS - words + 1) * WORD_BYTES
        found = client.read_memory(start, words * WORD_BYTES)
        assert len(found) == words * WORD_BYTES
        assert not honest or found == MEMORY[start : start + len(found)], "other bytes than the board's"
        value = client.read_register(8)
        assert not honest or value == REGISTER, "another value than the board's"
        client.write_register(8, value)
        client.write_memory(0, MEMORY[: words * WORD_BYTES])
        client.checksum(0, 8)


@dataclass
class Said:
    """A board that answers one body after the other, to whatever it is asked. Implements Transport.

    bodies: an even first byte becomes the request's sequence number.
    """

    bodies: list[bytes]
    pending: bytes = b""
    clock: float = 0.0
    byte_s: float = 0.0

    def now(self) -> float:
        return self.clock

    def write(self, data: bytes, timeout_s: float) -> None:
        for request in filter(None, map(decode, FrameReader().feed(data))):
            body = self.bodies.pop(0) if self.bodies else b""
            self.pending += encode(request[:1] + body[1:] if body and body[0] % 2 == 0 else body)

    def read(self, timeout_s: float) -> bytes:
        data, self.pending = self.pending[:64], self.pending[64:]
        self.clock += 1e-4 if data else max(timeout_s, 1e-4)
        return data

    def close(self) -> None:
        pass


def seeds() -> Iterator[bytes]:
    """Answers in the order in which a client asks."""
    identity = struct.pack("<III", MAGIC, VERSION, len(MEMORY))
    bodies = (_ANSWER.pack(0, Status.OK, 3) + identity, _ANSWER.pack(0, Status.OK, 8) + bytes(32),
              _ANSWER.pack(0, Status.OK, 1) + bytes(4))  # fmt: skip
    yield b"".join(bytes([len(body)]) + body for body in bodies)


def parse(data: bytes) -> None:
    """Read memory and a register of a board whose answers stand here, each behind its length."""
    bodies = []
    while data:
        bodies.append(data[1 : 1 + data[0]])
        data = data[1 + data[0] :]
    client = LinkClient(Said(bodies), Patience(timeout_s=0.05, attempts=2))
    assert len(client.read_memory(0, 32)) == 32
    client.read_register(8)
