# SPDX-License-Identifier: Apache-2.0
"""Equal content is an equal file, and what is no such file is refused by name."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save

from peritus.ir import tensor_file
from peritus.ir.random_model import Dims, random_model
from peritus.ir.tensor_file import TensorFileError, canonical, content_hash, pack, unpack, write_whole

TENSORS = {
    "b": np.arange(6, dtype=np.int8).reshape(2, 3),
    "a": np.float32(1.5).reshape(()),
    "turned": np.arange(6, dtype=np.int16).reshape(2, 3).T,
    "none": np.zeros((0, 4), np.float16),
}
METADATA = {f"key {i}": f"text {i} ü" for i in range(8)}


def shuffled(values: dict[str, object], seed: int) -> dict[str, object]:
    return dict(random.Random(seed).sample(list(values.items()), len(values)))


def test_order_does_not_matter() -> None:
    data = pack(TENSORS, METADATA)
    assert len(data) % 8 == sum(v.nbytes for v in TENSORS.values()) % 8  # tensors begin at a multiple of 8
    for seed in range(5):
        assert pack(shuffled(TENSORS, seed), shuffled(METADATA, seed)) == data  # type: ignore[arg-type]
    assert pack(TENSORS, METADATA | {"key 0": "other"}) != data
    assert pack(TENSORS | {"b": TENSORS["b"] + np.int8(1)}, METADATA) != data


def test_round_trip_and_the_library_reads_it(tmp_path: Path) -> None:
    write_whole(tmp_path / "a.safetensors", pack(TENSORS, METADATA))
    found, metadata = unpack((tmp_path / "a.safetensors").read_bytes(), "a")
    with safe_open(str(tmp_path / "a.safetensors"), framework="numpy") as file:
        assert file.metadata() == metadata == METADATA
        for name, value in TENSORS.items():
            for read in (found[name], file.get_tensor(name)):
                assert (read.dtype, read.shape) == (value.dtype, value.shape)
                assert np.array_equal(read, value)
    assert [path.name for path in tmp_path.iterdir()] == ["a.safetensors"]


def test_files_of_other_writers_have_the_hash_of_their_content(tmp_path: Path) -> None:
    """The library puts metadata in random order: the same content, other bytes, one hash."""
    contiguous = {name: np.array(value, order="C") for name, value in TENSORS.items()}
    files = {save(contiguous, METADATA) for _ in range(20)}
    assert len(files) > 1
    hashes = set()
    for index, data in enumerate(files):
        (tmp_path / str(index)).write_bytes(data)
        hashes.add(content_hash(tmp_path / str(index)))
        assert canonical(data) == pack(TENSORS, METADATA)
    assert len(hashes) == 1


def test_what_is_no_such_file_is_refused(tmp_path: Path) -> None:
    data = pack(TENSORS, METADATA)
    for end in (0, 7, 8, 100, len(data) - 1):
        with pytest.raises(TensorFileError, match="x is truncated"):
            unpack(data[:end], "x")
    with pytest.raises(TensorFileError, match="nosuch does not exist"):
        content_hash(tmp_path / "nosuch")


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a"
    write_whole(file, b"old")

    def full(descriptor: int) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(tensor_file.os, "fsync", full)
    with pytest.raises(OSError, match="no space left"):
        write_whole(file, b"new")
    assert file.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_the_same_model_is_the_same_file(tmp_path: Path) -> None:
    for name in ("a", "b"):
        random_model(Dims(layers=2), 3).save(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
