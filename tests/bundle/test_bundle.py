# SPDX-License-Identifier: Apache-2.0
"""The bundle file: round trip, and every way to be unusable has its own typed error."""

from __future__ import annotations

import hashlib
import json
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from peritus.arch.config import load_config
from peritus.arch.isa import EncodingError, FetchEntry, Instruction, Opcode
from peritus.bundle import (
    Bundle,
    BundleConfigError,
    BundleCorrupted,
    BundleError,
    BundleTruncated,
    BundleVersionError,
)
from peritus.bundle.disassemble import disassemble
from peritus.compiler import compile_model
from peritus.ir.random_model import Dims, random_model

PREFIX = struct.Struct("<8sIIQ32s")


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return compile_model(random_model(Dims(layers=2)), load_config("nano"))


@pytest.fixture(scope="module")
def data(bundle: Bundle) -> bytes:
    return bundle.to_bytes()


def test_round_trip(bundle: Bundle, tmp_path: Path) -> None:
    path = tmp_path / "m.bundle"
    bundle.save(path)
    again = Bundle.load(path)
    for field in (
        "model",
        "provenance",
        "hw",
        "tasks",
        "features",
        "instructions",
        "labels",
        "fetches",
    ):
        assert getattr(again, field) == getattr(bundle, field), field
    assert (again.weights == bundle.weights).all() and dict(again.memory) == dict(bundle.memory)
    assert again.program == bundle.program
    assert len(bundle.program) == 32 * len(bundle.instructions) + 8 * len(bundle.fetches)
    assert again.to_bytes() == path.read_bytes()


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="does not exist"):
        Bundle.load(tmp_path / "nothing.bundle")


@pytest.mark.parametrize("length", [0, 7, 55, 56, 500, -1])
def test_truncated(data: bytes, length: int) -> None:
    with pytest.raises(BundleTruncated, match=r"truncated: \d+ bytes, (expected|a header has) \d+"):
        Bundle.from_bytes(data[:length])


@pytest.mark.parametrize("position", [60, 3000, -5])
def test_corrupted(data: bytes, position: int) -> None:
    bad = bytearray(data)
    bad[position] ^= 0x10
    with pytest.raises(BundleCorrupted, match=r"checksum [0-9a-f]{16}, expected [0-9a-f]{16}"):
        Bundle.from_bytes(bytes(bad))


def test_trailing_bytes_are_corruption(data: bytes) -> None:
    with pytest.raises(BundleCorrupted):
        Bundle.from_bytes(data + b"x")


def test_not_a_bundle(data: bytes) -> None:
    with pytest.raises(BundleCorrupted, match="not a bundle: starts with b'\\\\x7fELF"):
        Bundle.from_bytes(b"\x7fELF" + data[4:])


def test_other_version(data: bytes) -> None:
    with pytest.raises(BundleVersionError, match="version 1, this program reads 3; compile it again"):
        Bundle.from_bytes(data[:8] + (1).to_bytes(4, "little") + data[12:])


def test_other_instruction_layout(data: bytes) -> None:
    with pytest.raises(BundleVersionError, match=r"another instruction layout.*; compile it again"):
        Bundle.from_bytes(forged(data, config_hash="0x0123456789abcdef"))


def test_other_configuration(bundle: Bundle) -> None:
    with pytest.raises(
        BundleConfigError,
        match=r"compiled for nano \(0x[0-9a-f]{16}\), the device is edge.*; compile it again",
    ):
        bundle.check_hardware(load_config("edge"))
    narrower = replace(load_config("nano"), act_words=512)  # same name, other hardware
    with pytest.raises(BundleConfigError):
        bundle.check_hardware(narrower)
    bundle.check_hardware(replace(load_config("nano"), clock_mhz=51))  # the clock is no part of the hardware


def forged(data: bytes, **changes: object) -> bytes:
    """The bundle with header fields replaced and a valid checksum."""
    magic, version, length, _, _ = PREFIX.unpack_from(data)
    header = {**json.loads(data[56 : 56 + length]), **changes}
    text = json.dumps({k: v for k, v in header.items() if v is not None}).encode().ljust(length)
    body = text + data[56 + length :]
    return PREFIX.pack(magic, version, len(text), 56 + len(body), hashlib.sha256(body).digest()) + body


@pytest.mark.parametrize(
    "changes",
    [
        {"frame": None},
        {"frame": {}},
        {"frame": {"height": 32, "width": 64, "channels": 3, "patch": 0, "pitch": 48}},
        {"frame": {"height": 32, "width": 60, "channels": 3, "patch": 16, "pitch": 48}},
        {"frame": {"height": 32, "width": 64, "channels": 3, "patch": 16, "pitch": 47}},
        {"exec": "x"},
        {"weight_bytes": 1 << 40},
        {"exec": 1 << 30},
        {"tasks": [{}]},
    ],
)
def test_nonsense_header(data: bytes, changes: dict[str, object]) -> None:
    Bundle.from_bytes(forged(data))  # the forgery itself is fine
    with pytest.raises(BundleCorrupted, match="makes no sense"):
        Bundle.from_bytes(forged(data, **changes))


def test_negative_count(bundle: Bundle, data: bytes) -> None:
    """It would keep the sum of sizes, and read fetch entries from before the program."""
    fetches = len(bundle.fetches) + 4 * (len(bundle.instructions) + 1)
    with pytest.raises(BundleCorrupted, match="exec = -1: must be greater than or equal to 0"):
        Bundle.from_bytes(forged(data, exec=-1, fetch=fetches))


def test_loading_does_not_copy_the_weights(data: bytes) -> None:
    loaded = Bundle.from_bytes(data)
    assert np.shares_memory(loaded.weights, np.frombuffer(data, np.uint8))
    assert not loaded.weights.flags.writeable


def test_instruction_that_does_not_decode(bundle: Bundle, data: bytes) -> None:
    start = data.index(bundle.program)
    bad = bytearray(data)
    bad[start] = 0x0F  # no such opcode
    with pytest.raises(BundleCorrupted, match="opcode = 15"):
        Bundle.from_bytes(forged(bytes(bad)))


def test_instruction_round_trip_and_limits() -> None:
    gemm = Instruction(Opcode.GEMM, tokens=4095, src_base=(1 << 20) - 1, imm=(1 << 32) - 1, top_k=7)
    assert Instruction.decode(gemm.encode()) == gemm
    entry = FetchEntry((1 << 23) - 1, 65535, 3, 1, 63)
    assert FetchEntry.decode(entry.encode()) == entry
    with pytest.raises(EncodingError, match="tokens = 4096 does not fit 12 bits"):
        Instruction(Opcode.GEMM, tokens=4096).encode()
    with pytest.raises(EncodingError, match="reserved bits"):
        Instruction.decode(1 << 255)


def test_disassembly_names_everything(bundle: Bundle) -> None:
    lines = disassemble(bundle)
    assert len(lines) == len(bundle.instructions)
    for line, label in zip(lines, bundle.labels, strict=True):
        assert label in line
    text = "\n".join(lines)
    for expected in (
        "LOAD_IMAGE",
        "RES_INIT",
        "LAYERNORM",
        "STORE",
        "END",
        "gelu",
        "recip",
        "gather",
        "tasks 0",
    ):
        assert expected in text, expected


def test_task_and_instruction_names(bundle: Bundle) -> None:
    assert bundle.task_index("task1") == 1
    assert bundle.describe(0) == "0 (patch_embed image)" and bundle.describe(9999) == "9999"
    assert bundle.untrained
