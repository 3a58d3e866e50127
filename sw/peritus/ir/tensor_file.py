# SPDX-License-Identifier: Apache-2.0
"""Tensors and texts in one .safetensors file, written canonically: equal content is an equal file, byte for
byte.

The library's own writer puts metadata in an order that changes from call to call. Here all names are sorted.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load, save

from peritus.errors import PeritusError
from peritus.schema import file_fault

Tensors = dict[str, npt.NDArray[Any]]

_PREFIX = (
    8  # bytes that hold the length of the header, little endian; the header's length is a multiple of it
)


class TensorFileError(PeritusError):
    """A file is missing or no readable .safetensors file; names it."""


def pack(tensors: Mapping[str, npt.NDArray[Any]], metadata: Mapping[str, str]) -> bytes:
    """A .safetensors file: arrays of integers or float of 16 bits or more, and texts."""
    return canonical(
        save({name: np.array(value, order="C") for name, value in tensors.items()}, dict(metadata))
    )


def unpack(data: bytes, where: str) -> tuple[Tensors, dict[str, str]]:
    """Tensors and metadata of the bytes of a .safetensors file; `where`: its name, for errors.

    Raises:
        TensorFileError: truncated, damaged, or of types that NumPy does not have.
    """
    try:
        return load(data), _header(data)[0].get("__metadata__") or {}
    except (SafetensorError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise TensorFileError(f"{where} is truncated or no safetensors file: {error!r:.200}") from error


def canonical(data: bytes) -> bytes:
    """The bytes of a valid .safetensors file with the names in its header sorted."""
    header, body = _header(data)
    text = json.dumps(header, sort_keys=True, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _PREFIX)
    return len(text).to_bytes(_PREFIX, "little") + text + body


def content_hash(path: Path) -> str:
    """SHA-256 of what a .safetensors file holds, whoever wrote it and in whatever order.

    Raises:
        TensorFileError: missing, truncated or damaged.
    """
    if fault := file_fault(path):
        raise TensorFileError(f"{path} {fault}")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise TensorFileError(f"{path} cannot be read: {error.strerror}") from error
    unpack(data, str(path))  # complete, and its header in order
    return hashlib.sha256(canonical(data)).hexdigest()


def write_whole(path: Path, data: bytes) -> None:
    """Write a file that is there whole or not at all, after a crash of the machine too.

    Raises:
        OSError: the folder is missing or cannot be written.
    """
    draft = path.with_name(f".{path.name}.{uuid4().hex}.part")
    try:
        with draft.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _header(data: bytes) -> tuple[dict[str, Any], bytes]:
    end = _PREFIX + int.from_bytes(data[:_PREFIX], "little")
    return json.loads(data[_PREFIX:end]), data[end:]
