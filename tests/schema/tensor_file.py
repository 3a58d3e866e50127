# SPDX-License-Identifier: Apache-2.0
"""A .safetensors file taken apart, so that it can lie: tables and bytes that no writer would write."""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from tests.schema.json_damage import JSON_KINDS, flipped

_SIZE = struct.Struct("<Q")
DTYPES = {
    "I8": "<i1",
    "U8": "<u1",
    "I16": "<i2",
    "U16": "<u2",
    "I32": "<i4",
    "U32": "<u4",
    "I64": "<i8",
    "F16": "<f2",
    "F32": "<f4",
    "F64": "<f8",
    "BOOL": "?",
}
OTHER_DTYPES = ("BF16", "F8_E4M3", "F8_E5M2", "U64", "F4", "X", "")
SIZES = {name: np.dtype(code).itemsize for name, code in DTYPES.items()} | {"BF16": 2, "U64": 8}


@dataclass
class TensorFile:
    """metadata: texts. tensors: by name, dtype in the format's words, shape and bytes."""

    metadata: dict[str, str]
    tensors: dict[str, tuple[str, list[int], bytes]]

    @classmethod
    def of(cls, data: bytes) -> TensorFile:
        (size,) = _SIZE.unpack_from(data)
        table = json.loads(data[8 : 8 + size])
        metadata = table.pop("__metadata__")
        body = data[8 + size :]
        return cls(
            metadata,
            {k: (t["dtype"], t["shape"], body[slice(*t["data_offsets"])]) for k, t in table.items()},
        )

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """As NumPy reads them; TypeError for a type that it has not."""
        return {
            name: np.frombuffer(data, DTYPES.get(dtype, "nothing"))
            for name, (dtype, _, data) in self.tensors.items()
        }

    def table(self) -> dict[str, Any]:
        table: dict[str, Any] = {"__metadata__": self.metadata}
        start = 0
        for name, (dtype, shape, data) in self.tensors.items():
            table[name] = {"dtype": dtype, "shape": shape, "data_offsets": [start, start + len(data)]}
            start += len(data)
        return table

    def joined(self, text: str | None = None) -> bytes:
        """The file. text: its table, if it is another."""
        head = (json.dumps(self.table()) if text is None else text).encode("utf-8", "surrogatepass")
        head += b" " * (-len(head) % 8)
        return _SIZE.pack(len(head)) + head + b"".join(data for _, _, data in self.tensors.values())


def _any(file: TensorFile, rng: random.Random) -> str:
    return rng.choice(sorted(file.tensors))


def tensor_values(file: TensorFile, rng: random.Random) -> None:
    name = _any(file, rng)
    dtype, shape, data = file.tensors[name]
    array = np.frombuffer(data, DTYPES[dtype]).copy()
    limits = np.iinfo(array.dtype) if array.dtype.kind in "iu" else np.finfo(array.dtype)
    value = rng.choice([limits.min, limits.max, 0, 1])
    if array.dtype.kind == "f":
        value = rng.choice([value, np.nan, np.inf, -np.inf, -1.0])
    where = slice(None) if rng.random() < 0.5 else rng.randrange(array.size)
    array[where] = value
    file.tensors[name] = dtype, shape, array.tobytes()


def tensor_shape(file: TensorFile, rng: random.Random) -> None:
    name = _any(file, rng)
    dtype, shape, data = file.tensors[name]
    size = prod(shape)
    shapes = [shape[::-1], [size], [1, size], [size, 1], [1, *shape], [*shape, 1], [2, size // 2], [1] * 40]
    file.tensors[name] = dtype, rng.choice(shapes), data


def tensor_short(file: TensorFile, rng: random.Random) -> None:
    """Fewer or more values, with a shape that says so."""
    name = _any(file, rng)
    dtype, shape, data = file.tensors[name]
    size = SIZES[dtype]
    if rng.random() < 0.3:
        file.tensors[name] = dtype, [], data[:size]
        return
    first = rng.choice([0, 1, max(shape[0] - 1, 0), shape[0] + 1, shape[0] * 2])
    changed = [first, *shape[1:]]
    wanted = prod(changed) * size
    file.tensors[name] = dtype, changed, (data * 3)[:wanted]


def tensor_type(file: TensorFile, rng: random.Random) -> None:
    name = _any(file, rng)
    _, shape, data = file.tensors[name]
    dtype = rng.choice([*DTYPES, *OTHER_DTYPES])
    file.tensors[name] = dtype, shape, (data * 8)[: prod(shape) * SIZES.get(dtype, 1)]


def tensor_removed(file: TensorFile, rng: random.Random) -> None:
    del file.tensors[_any(file, rng)]


def tensor_added(file: TensorFile, rng: random.Random) -> None:
    name = rng.choice(["extra", "tail.onnx", "\x1b[31m", "../x", "__metadata", ""])
    file.tensors[name] = rng.choice(list(file.tensors.values()))


def tensors_swapped(file: TensorFile, rng: random.Random) -> None:
    a, b = _any(file, rng), _any(file, rng)
    file.tensors[a], file.tensors[b] = file.tensors[b], file.tensors[a]


def table_lies(file: TensorFile, rng: random.Random) -> bytes:
    """Damage to the table of the tensors, of every kind that JSON has."""
    return file.joined(rng.choice(JSON_KINDS)(file.table(), rng))


def table_offsets(file: TensorFile, rng: random.Random) -> bytes:
    table = file.table()
    entry = table[_any(file, rng)]
    key = rng.choice(["shape", "data_offsets"])
    entry[key] = rng.choice([[2**63, 2**63], [2**32, 2**32], [-1, 4], [4, 0], [0, 2**63], [], [2**64, 0]])
    return file.joined(json.dumps(table))


def file_bytes(file: TensorFile, rng: random.Random) -> bytes:
    return flipped(file.joined(), rng)


def file_head(file: TensorFile, rng: random.Random) -> bytes:
    size = rng.choice([0, 1, 2**63, 2**64 - 1, 100, 10**8 + 1, rng.randrange(5000)])
    return _SIZE.pack(size) + file.joined()[8:]


# Each changes the file in place, or returns the bytes of one that is no longer whole.
FILE_KINDS: tuple[Callable[[TensorFile, random.Random], bytes | None], ...] = (
    tensor_values,
    tensor_shape,
    tensor_short,
    tensor_type,
    tensor_removed,
    tensor_added,
    tensors_swapped,
    table_lies,
    table_offsets,
    file_bytes,
    file_head,
)


def json_kinds(key: str) -> list[Callable[[TensorFile, random.Random], None]]:
    """Damage to the JSON in one entry of the metadata, of every kind there is."""

    def of(kind: Callable[[object, random.Random], str]) -> Callable[[TensorFile, random.Random], None]:
        def damage(file: TensorFile, rng: random.Random) -> None:
            text = kind(json.loads(file.metadata[key]), rng)
            file.metadata[key] = text.encode(errors="replace").decode()

        damage.__name__ = kind.__name__
        return damage

    return [of(kind) for kind in JSON_KINDS]
