# SPDX-License-Identifier: Apache-2.0
"""Requests to the board and its answers, over a line that loses and damages bytes."""

from __future__ import annotations

import math
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass

from peritus.arch.link import FLAG, MAGIC, MAX_WORDS, VERSION, WORD_BYTES, Command, Status
from peritus.runtime.driver.errors import BUILD_AGAIN, ForeignDevice
from peritus.runtime.serial.errors import LinkCorrupted, LinkError, LinkRefused, LinkTimeout
from peritus.runtime.serial.frame import LONGEST, Answer, FrameReader, decode_answer, encode_request, longest
from peritus.runtime.serial.transport import Transport

MOST_BYTES = 2 * LONGEST  # that are listened to for one answer: more is noise
_WORD = struct.Struct("<I")
_IDENTITY = struct.Struct("<III")
_STATUS_TEXT = {
    Status.COMMAND: "unknown command",
    Status.LENGTH: "the payload is not as long as the request says",
    Status.ADDRESS: "misaligned, or outside of what the board has",
    Status.REGISTER: "no such register",
}


@dataclass(frozen=True)
class Patience:
    """How long the board and what lies between may take to answer, and how often to ask in all.

    timeout_s: seconds from the request to the last byte of its answer, beside what both take on the line.
    """

    timeout_s: float = 0.5
    attempts: int = 5

    def __post_init__(self) -> None:
        if not 0 <= self.timeout_s < math.inf or self.attempts < 1:
            raise LinkError(
                f"patience: timeout_s = {self.timeout_s}, must be 0 or more; attempts = {self.attempts}, "
                "must be 1 or more"
            )


class LinkClient:
    """One request at a time, each repeated until an undamaged answer to it arrives.

    Every attempt has a deadline, whatever comes in meanwhile: bytes one by one, or without end.
    A register write that is repeated is carried out once: the board knows it by its sequence number.

    Raises:
        ForeignDevice: at the other end is something else. LinkError: as `request`.
    """

    def __init__(self, transport: Transport, patience: Patience = Patience()) -> None:
        self._transport = transport
        self._patience = patience
        self._reader = FrameReader()
        self._sequence = time.monotonic_ns() & 0xFF  # an earlier process's last request is not repeated
        self.interrupt = False  # level, as of the last answer
        self.repeated = 0  # requests that had to be sent again
        deadline = transport.now() + patience.timeout_s
        transport.write(bytes([FLAG]), patience.timeout_s)  # ends what the board believes to be receiving
        for _ in range(MOST_BYTES):  # answers to somebody else; a line that never rests has many
            if not transport.read(0) or transport.now() >= deadline:
                break
        magic, version, self.memory_bytes = _IDENTITY.unpack(
            self.request(Command.IDENTIFY, answer_bytes=_IDENTITY.size)
        )
        if magic != MAGIC or version != VERSION:
            raise ForeignDevice(
                f"link {magic:#010x} of version {version}, this driver has {MAGIC:#010x} of version {VERSION}"
                f"; {BUILD_AGAIN}"
            )

    def request(
        self,
        command: Command,
        *,
        count: int = 1,
        address: int = 0,
        payload: bytes = b"",
        answer_bytes: int = 0,
    ) -> bytes:
        """Carry out one command; fields as in peritus.arch.link. The answer's payload.

        Raises:
            LinkTimeout, LinkCorrupted: no answer, or no undamaged one, after all attempts.
            LinkRefused: the board says why. PortError: the line has gone.
        """
        self._sequence = (self._sequence + 1) & 0xFF
        frame = encode_request(self._sequence, command, count, address, payload)
        what = f"{command.name} of {count} at {address:#x}"
        line_bytes = len(frame) + longest(answer_bytes)
        timeout_s = self._patience.timeout_s + line_bytes * self._transport.byte_s
        damaged = 0
        for attempt in range(self._patience.attempts):
            self.repeated += attempt > 0
            deadline = self._transport.now() + timeout_s
            self._transport.write(frame, timeout_s)
            answer = self._answer(answer_bytes, deadline)
            if answer is None:
                continue
            if answer.status is Status.CORRUPTED:
                damaged += 1
                continue
            self.interrupt = answer.interrupt
            if answer.status is not Status.OK:
                raise LinkRefused(f"{what}: {_STATUS_TEXT[answer.status]}")
            return answer.payload
        asked = f"asked {self._patience.attempts} times, {self._patience.timeout_s:g} s each"
        if damaged:
            raise LinkCorrupted(f"{what}: every frame was damaged on the line ({asked})")
        raise LinkTimeout(f"{what}: no answer ({asked})")

    def _answer(self, payload_bytes: int, deadline: float) -> Answer | None:
        """The answer to the present request, or the news that it or its answer was damaged; None: neither.

        deadline: in the line's time; what has not come by then does not count.
        """
        damaged, received = False, 0
        while data := self._transport.read(deadline - self._transport.now()):
            received += len(data)
            for text in self._reader.feed(data):
                answer = decode_answer(text)
                if answer is None:
                    damaged = True
                elif answer.status is Status.CORRUPTED:
                    return answer
                elif answer.sequence == self._sequence:
                    if answer.status is not Status.OK or len(answer.payload) == payload_bytes:
                        return answer
                    damaged = True
            if damaged or received > MOST_BYTES:
                return Answer(0, Status.CORRUPTED, self.interrupt, b"")
            if self._transport.now() > deadline:
                break
        return None

    # --- commands ---

    def ping(self) -> None:
        """Ask for nothing but the level of the interrupt. Raises as request."""
        self.request(Command.IDENTIFY, answer_bytes=_IDENTITY.size)

    def read_register(self, offset: int) -> int:
        """Register at byte `offset`. Raises as request."""
        return int(_WORD.unpack(self.request(Command.READ_REGISTER, address=offset, answer_bytes=4))[0])

    def write_register(self, offset: int, value: int) -> None:
        """Set the register at byte `offset`. Raises as request."""
        self.request(Command.WRITE_REGISTER, address=offset, payload=_WORD.pack(value))

    def read_memory(self, address: int, size: int) -> bytes:
        """`size` bytes, whole words. Raises as request."""
        parts = []
        for start, words in _pieces(size):
            part = self.request(
                Command.READ_MEMORY, count=words, address=address + start, answer_bytes=words * WORD_BYTES
            )
            parts.append(part)
        return b"".join(parts)

    def write_memory(
        self, address: int, data: bytes, progress: Callable[[int, int], None] | None = None
    ) -> None:
        """Write whole words. progress: told bytes written and in all. Raises as request."""
        for start, words in _pieces(len(data)):
            end = start + words * WORD_BYTES
            self.request(Command.WRITE_MEMORY, count=words, address=address + start, payload=data[start:end])
            if progress:
                progress(end, len(data))

    def checksum(self, address: int, size: int) -> int:
        """CRC-32 of `size` bytes of memory, whole words, by the board. Raises as request."""
        payload = self.request(
            Command.CHECKSUM, count=size // WORD_BYTES, address=address, answer_bytes=_WORD.size
        )
        return int(_WORD.unpack(payload)[0])

    def close(self) -> None:
        """Give the line back."""
        self._transport.close()


def _pieces(size: int) -> list[tuple[int, int]]:
    """(first byte, words) of the frames that carry `size` bytes."""
    words = size // WORD_BYTES
    return [(start * WORD_BYTES, min(MAX_WORDS, words - start)) for start in range(0, words, MAX_WORDS)]
