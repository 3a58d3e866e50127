# SPDX-License-Identifier: Apache-2.0
"""Damaged integer models, with their checksum repaired; and what becomes of them."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path

import numpy as np

from peritus.arch.config import load_config
from peritus.cli.info import model_record, model_table
from peritus.compiler import compile_model
from peritus.ir import QuantModel
from peritus.ir.model_file import checksum
from peritus.ir.random_model import Dims, random_model
from peritus.runtime import open_device
from tests.schema.shown import check_shown
from tests.schema.temporary import file_of
from tests.schema.tensor_file import FILE_KINDS, TensorFile, json_kinds

HW = load_config("nano")


@cache
def valid() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "m.safetensors"
        random_model(Dims(layers=2, expert_bits=4)).save(path)
        return path.read_bytes()


def whole(file: TensorFile) -> bytes:
    with suppress(TypeError, ValueError):  # NumPy has no such tensor: refused before the checksum
        file.metadata["sha256"] = checksum(file.metadata["model"], file.arrays())
    return file.joined()


def metadata(file: TensorFile, rng: random.Random) -> None:
    key = rng.choice(sorted(file.metadata))
    file.metadata[key] = rng.choice(["", "\x1b[2J", "x" * 10_000, "4", "6", file.metadata["format"]])


KINDS = (*json_kinds("model"), metadata, *FILE_KINDS)


def damaged(kind: Callable[[TensorFile, random.Random], bytes | None], rng: random.Random) -> bytes:
    file = TensorFile.of(valid())
    data = kind(file, rng)
    return whole(file) if data is None else data


def judge(data: bytes) -> None:
    """Read, print, compile for nano, and run an image; a PeritusError refuses."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "m.safetensors"
        path.write_bytes(data)
        model = QuantModel.load(path)
    check_shown(model_table(model), model_record(model))
    bundle = compile_model(model, HW)
    bundle.to_bytes()
    image = np.random.default_rng(0).integers(0, 256, bundle.frame.shape).astype(np.uint8)
    with open_device("iss", hw=HW) as device:
        device.load(bundle)
        device.run(image, task=bundle.tasks[0].name, features=True)


def seeds() -> Iterator[bytes]:
    yield valid()


def repaired(data: bytes) -> bytes:
    """With the checksum of its contents, if it has any."""
    try:
        return whole(TensorFile.of(data))
    except Exception:  # no such file, which a reader must say
        return data


def parse(data: bytes) -> None:
    """Read and print."""
    with file_of(data, ".safetensors") as path:
        model = QuantModel.load(path)
    check_shown(model_table(model), model_record(model))
