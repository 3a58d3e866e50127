# SPDX-License-Identifier: Apache-2.0
"""Damaged bundles, with their sizes and checksum repaired; and what becomes of them."""

from __future__ import annotations

import hashlib
import json
import random
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from peritus.arch.config import load_config
from peritus.arch.isa import EXEC_FIELDS, FETCH_FIELDS, Field
from peritus.bundle import ALIGNMENT, EXEC_BYTES, FETCH_BYTES, MAGIC, VERSION, Bundle
from peritus.bundle.disassemble import disassemble
from peritus.cli.info import bundle_record, bundle_table
from peritus.compiler import compile_model
from peritus.ir.random_model import Dims, random_model
from peritus.report import render
from peritus.runtime import open_device
from tests.schema.json_damage import JSON_KINDS, flipped
from tests.schema.shown import check_shown

PREFIX = struct.Struct("<8sIIQ32s")
TASKS_RUN = 2


@dataclass
class Parts:
    """A bundle taken apart: header, instructions and fetch entries as integers, what follows."""

    header: dict[str, Any]
    instructions: list[int]
    fetches: list[int]
    rest: bytes

    def joined(self, text: str | None = None) -> bytes:
        """With sizes and checksum that fit. text: of the header, if it is no longer JSON."""
        head = (json.dumps(self.header) if text is None else text).encode("utf-8", "surrogatepass")
        program = b"".join(i.to_bytes(EXEC_BYTES, "little") for i in self.instructions)
        program += b"".join(i.to_bytes(FETCH_BYTES, "little") for i in self.fetches)
        before = head + bytes(-(PREFIX.size + len(head)) % ALIGNMENT)
        return sealed(before + program + bytes(-len(program) % ALIGNMENT) + self.rest, len(head))


def sealed(body: bytes, header_bytes: int) -> bytes:
    """The file of a body."""
    digest = hashlib.sha256(body).digest()
    return PREFIX.pack(MAGIC, VERSION, header_bytes, PREFIX.size + len(body), digest) + body


@cache
def valid() -> bytes:
    return compile_model(random_model(Dims(layers=2)), load_config("nano")).to_bytes()


def taken_apart(data: bytes) -> Parts:
    _, _, size, _, _ = PREFIX.unpack_from(data)
    header = json.loads(data[PREFIX.size : PREFIX.size + size])
    start = PREFIX.size + size
    start += -start % ALIGNMENT
    fetch = start + header["exec"] * EXEC_BYTES
    end = fetch + header["fetch"] * FETCH_BYTES

    def words(first: int, last: int, size: int) -> list[int]:
        return [int.from_bytes(data[i : i + size], "little") for i in range(first, last, size)]

    return Parts(
        header,
        words(start, fetch, EXEC_BYTES),
        words(fetch, end, FETCH_BYTES),
        data[end + -end % ALIGNMENT :],
    )


def _field(word: int, layout: tuple[Field, ...], rng: random.Random) -> int:
    chosen = rng.choice(layout)
    position = sum(field.bits for field in layout[: layout.index(chosen)])
    largest = (1 << chosen.bits) - 1
    values = [0, 1, largest, largest - 1, 1 << (chosen.bits - 1), rng.randrange(largest + 1)]
    if chosen.enum:
        values += [member.value for member in chosen.enum]
    return word & ~(largest << position) | rng.choice(values) << position


def instruction_field(parts: Parts, rng: random.Random) -> bytes:
    for _ in range(rng.choice([1, 1, 2, 4])):
        index = rng.randrange(len(parts.instructions))
        parts.instructions[index] = _field(parts.instructions[index], EXEC_FIELDS, rng)
    return parts.joined()


def instruction_all_extreme(parts: Parts, rng: random.Random) -> bytes:
    index = rng.randrange(len(parts.instructions))
    for _ in range(40):
        parts.instructions[index] = _field(parts.instructions[index], EXEC_FIELDS, rng)
    return parts.joined()


def instruction_moved(parts: Parts, rng: random.Random) -> bytes:
    words = parts.instructions
    kind, index = rng.randrange(3), rng.randrange(len(words))
    if kind == 0:
        words.insert(rng.randrange(len(words)), words.pop(index))
    elif kind == 1:
        del words[index], parts.header["labels"][index]
    else:
        words.insert(index, rng.choice(words))
        parts.header["labels"].insert(index, "again")
    parts.header["exec"] = len(words)
    return parts.joined()


def fetch_field(parts: Parts, rng: random.Random) -> bytes:
    index = rng.randrange(len(parts.fetches))
    parts.fetches[index] = _field(parts.fetches[index], FETCH_FIELDS, rng)
    return parts.joined()


def fetch_moved(parts: Parts, rng: random.Random) -> bytes:
    if rng.random() < 0.5:
        del parts.fetches[rng.randrange(len(parts.fetches))]
    else:
        parts.fetches.append(rng.choice(parts.fetches))
    parts.header["fetch"] = len(parts.fetches)
    return parts.joined()


def program_noise(parts: Parts, rng: random.Random) -> bytes:
    index = rng.randrange(len(parts.instructions))
    parts.instructions[index] ^= 1 << rng.randrange(8 * EXEC_BYTES)
    return parts.joined()


def weights(parts: Parts, rng: random.Random) -> bytes:
    size = len(parts.rest)
    byte = rng.choice([0x00, 0x7F, 0x80, 0xFF])
    parts.rest = rng.choice([rng.randbytes(size), bytes([byte]) * size])
    return parts.joined()


def sizes_that_add_up(parts: Parts, rng: random.Random) -> bytes:
    """More of one, less of another: the sum of sizes stays."""
    units = {"exec": EXEC_BYTES, "fetch": FETCH_BYTES, "weight_bytes": 1, "tail_bytes": 1}
    first, second = rng.sample(sorted(units), 2)
    step = rng.choice([1, 100, 10**9, 10**12]) * 64
    parts.header[first] += step // units[first]
    parts.header[second] -= step // units[second]
    return parts.joined()


def shapes(parts: Parts, rng: random.Random) -> bytes:
    """Another frame, task or features, each well-formed."""
    record = rng.choice([parts.header["frame"], *parts.header["tasks"], parts.header["features"]])
    key = rng.choice([key for key, value in record.items() if type(value) is int])
    record[key] = rng.choice([1, 2, 8, 16, 48, 64, 1000, 4096, 16_384, 65_535])
    if key == "channels" and record.get("classes"):
        record["classes"] = []
    return parts.joined()


def body_bytes(parts: Parts, rng: random.Random) -> bytes:
    data = parts.joined()
    return sealed(flipped(data[PREFIX.size :], rng), PREFIX.unpack_from(data)[2])


def prefix_bytes(parts: Parts, rng: random.Random) -> bytes:
    data = bytearray(parts.joined())
    data[rng.randrange(PREFIX.size)] ^= 1 << rng.randrange(8)
    return bytes(data)


def header_length(parts: Parts, rng: random.Random) -> bytes:
    data = parts.joined()
    return sealed(data[PREFIX.size :], rng.choice([0, 1, len(data), 2**32 - 1, rng.randrange(len(data))]))


def raw_bytes(parts: Parts, rng: random.Random) -> bytes:
    return flipped(parts.joined(), rng)


def _header(kind: Callable[[Any, random.Random], str]) -> Callable[[Parts, random.Random], bytes]:
    def damage(parts: Parts, rng: random.Random) -> bytes:
        return parts.joined(kind(parts.header, rng))

    damage.__name__ = kind.__name__
    return damage


_PROGRAM = (
    instruction_field,
    instruction_all_extreme,
    instruction_moved,
    fetch_field,
    fetch_moved,
    program_noise,
    weights,
)
KINDS = (
    *map(_header, JSON_KINDS),
    *_PROGRAM,
    sizes_that_add_up,
    shapes,
    body_bytes,
    prefix_bytes,
    header_length,
    raw_bytes,
)


def whole(parts: Parts) -> bytes:
    return parts.joined()


def damaged(kind: Callable[[Parts, random.Random], bytes], rng: random.Random) -> bytes:
    return kind(taken_apart(valid()), rng)


def judge(data: bytes) -> None:
    """Read, print and run; a PeritusError refuses."""
    bundle = Bundle.from_bytes(data)
    check_shown(bundle_table(bundle, Path("m.bundle")), bundle_record(bundle))
    check_shown("\n".join(disassemble(bundle)), bundle.provenance)
    image = np.random.default_rng(0).integers(0, 256, bundle.frame.shape).astype(np.uint8)
    with open_device("iss", hw=bundle.hw) as device:
        device.load(bundle)
        for task in bundle.tasks[:TASKS_RUN]:
            result = device.run(image, task=task.name, features=True)
            if bundle.frame.channels == 3:
                render(result, image)


def seeds() -> Iterator[bytes]:
    yield valid()


def repaired(data: bytes) -> bytes:
    """With sizes and checksum that fit."""
    if len(data) < PREFIX.size:
        return data
    return sealed(data[PREFIX.size :], PREFIX.unpack_from(data)[2])


def parse(data: bytes) -> None:
    """Read, print, and let the verifier see it."""
    bundle = Bundle.from_bytes(data)
    check_shown(bundle_table(bundle, Path("m.bundle")), bundle_record(bundle))
    check_shown("\n".join(disassemble(bundle)), bundle.provenance)
    with open_device("iss", hw=bundle.hw) as device:
        device.load(bundle)
