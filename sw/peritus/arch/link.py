# SPDX-License-Identifier: Apache-2.0
"""What host and device agree on, in words in docs/link.md; peritus.codegen.link writes its RTL package.

Frames are HDLC-like (RFC 1662): FLAG, body, CRC-32 of the body (its least significant byte first), FLAG;
a byte of body or CRC that equals FLAG or ESCAPE is sent as ESCAPE, byte ^ ESCAPE_XOR.

request  = sequence u8, command u8, count u16, address u32, payload
answer   = sequence u8, status u8, count u16, payload

Integers are little endian. count: words of WORD_BYTES (memory commands), 1 otherwise. Bit IRQ_BIT of status
is the level of the interrupt.
"""

from __future__ import annotations

from enum import IntEnum

VERSION = 1
MAGIC = 0x4B4E4C50  # "PLNK"

FLAG, ESCAPE, ESCAPE_XOR = 0x7E, 0x7D, 0x20
CRC_INIT = 0xFFFF_FFFF
CRC_RESIDUE = 0xDEBB_20E3  # register after body and CRC of an undamaged frame
CRC_BYTES = 4

WORD_BYTES = 8
BANK_WORDS = 8192  # the board's memory is a number of banks
REGISTER_BYTES = 4
MAX_WORDS = 256  # in the payload of one frame
REQUEST_BYTES, ANSWER_BYTES = 8, 4  # before the payload
IRQ_BIT = 7


class Command(IntEnum):
    """What the host asks for; bytes of payload in the request -> in the answer."""

    IDENTIFY = 0  # 0 -> 12: MAGIC, VERSION, bytes of memory
    READ_REGISTER = 1  # 0 -> 4
    WRITE_REGISTER = 2  # 4 -> 0; not carried out again if the sequence number is that of the request before
    READ_MEMORY = 3  # 0 -> 8 x count
    WRITE_MEMORY = 4  # 8 x count -> 0
    CHECKSUM = 5  # 0 -> 4: CRC-32 of count words from address


class Status(IntEnum):
    """How it went."""

    OK = 0
    CORRUPTED = 1  # the frame arrived damaged: send it again. The sequence number is 0.
    COMMAND = 2  # unknown command
    LENGTH = 3  # count is 0 or too large, or the payload is not what it says
    ADDRESS = 4  # misaligned or outside the memory
    REGISTER = 5  # no such register
