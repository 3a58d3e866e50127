# SPDX-License-Identifier: Apache-2.0
"""Bytes on the line: flags, stuffing, CRC; requests and answers in them (format: peritus.arch.link)."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

from peritus.arch.link import (
    ANSWER_BYTES,
    CRC_BYTES,
    ESCAPE,
    ESCAPE_XOR,
    FLAG,
    IRQ_BIT,
    MAX_WORDS,
    WORD_BYTES,
    Command,
    Status,
)

_FLAG, _ESCAPE = bytes([FLAG]), bytes([ESCAPE])
_STUFFED = [(_ESCAPE, bytes([ESCAPE, ESCAPE ^ ESCAPE_XOR])), (_FLAG, bytes([ESCAPE, FLAG ^ ESCAPE_XOR]))]
_REQUEST, _ANSWER, _CRC = struct.Struct("<BBHI"), struct.Struct("<BBH"), struct.Struct("<I")


def longest(payload_bytes: int) -> int:
    """Bytes on the line of an answer with such a payload, every byte stuffed, and its flags."""
    return 2 * (ANSWER_BYTES + payload_bytes + CRC_BYTES) + 2


LONGEST = longest(MAX_WORDS * WORD_BYTES)  # what is longer is noise


@dataclass(frozen=True)
class Answer:
    """What the board said. interrupt: the level of its interrupt when it did."""

    sequence: int
    status: Status
    interrupt: bool
    payload: bytes


def encode(body: bytes) -> bytes:
    """The frame of `body`."""
    text = body + _CRC.pack(zlib.crc32(body))
    for plain, stuffed in _STUFFED:
        text = text.replace(plain, stuffed)
    return _FLAG + text + _FLAG


def encode_request(sequence: int, command: Command, count: int, address: int, payload: bytes = b"") -> bytes:
    """The frame of a request; fields as in peritus.arch.link."""
    return encode(_REQUEST.pack(sequence, command, count, address) + payload)


def decode(text: bytes) -> bytes | None:
    """The body of what stood between two flags; None if it is damaged."""
    plain = bytearray()
    parts = text.split(_ESCAPE)
    plain += parts[0]
    for part in parts[1:]:
        if not part:
            return None
        plain.append(part[0] ^ ESCAPE_XOR)
        plain += part[1:]
    if len(plain) < CRC_BYTES:
        return None
    body = bytes(plain[:-CRC_BYTES])
    return body if _CRC.unpack(plain[-CRC_BYTES:])[0] == zlib.crc32(body) else None


def decode_answer(text: bytes) -> Answer | None:
    """The answer between two flags; None if it is damaged or makes no sense."""
    body = decode(text)
    if body is None or len(body) < ANSWER_BYTES:
        return None
    sequence, status, _ = _ANSWER.unpack_from(body)
    code = status & ~(1 << IRQ_BIT)
    if code not in list(Status):
        return None
    return Answer(sequence, Status(code), bool(status >> IRQ_BIT), body[ANSWER_BYTES:])


class FrameReader:
    """Cuts a stream of bytes at its flags."""

    def __init__(self) -> None:
        self._text = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """What stands between flags and is complete with `data`; what is too long for a frame is dropped."""
        *complete, rest = (bytes(self._text) + data).split(_FLAG)
        self._text = bytearray(rest[-LONGEST:])
        return [text for text in complete if text]
