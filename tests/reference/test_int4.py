# SPDX-License-Identifier: Apache-2.0
"""4-bit weights: packing, and the model file that carries them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

from peritus import ir
from peritus.ir.model_file import checksum
from peritus.ir.random_model import Dims, random_image, random_model
from peritus.reference.int4 import pack_int4, unpack_int4

DIMS = Dims(layers=2, expert_bits=4)


@pytest.mark.parametrize("shape", [(1, 1), (1, 16), (3, 5), (7, 4), (2, 3, 5)])
def test_packing_keeps_every_value(shape: tuple[int, ...]) -> None:
    values = np.resize(np.arange(-8, 8, dtype=np.int8), shape)
    packed = pack_int4(values)
    assert packed.dtype == np.uint8 and packed.shape == ((values.size + 1) // 2,)
    again = unpack_int4(packed, shape)
    assert again.dtype == np.int8 and np.array_equal(again, values)


def test_first_value_is_in_the_low_bits() -> None:
    assert pack_int4(np.array([1, -1, -7], np.int8)).tolist() == [0xF1, 0x09]


def test_wrong_size_is_refused() -> None:
    with pytest.raises(ValueError, match=r"uint8\[4\], must be uint8\[5\] for 9 values"):
        unpack_int4(np.zeros(4, np.uint8), (3, 3))


def test_model_file_packs_the_experts_only(tmp_path: Path) -> None:
    wide, narrow = random_model(Dims(layers=2)), random_model(DIMS)
    files = tmp_path / "int8.safetensors", tmp_path / "int4.safetensors"
    for model, file in zip((wide, narrow), files, strict=True):
        model.save(file)
    (experts,) = (n for n in narrow.graph.nodes if isinstance(n, ir.Experts))
    assert all(a.weight_bits == 4 and np.abs(a.weight).max() <= 7 for a in ir.affines(experts))
    weights = sum(a.weight.size for a in ir.affines(experts))
    with (
        safe_open(str(files[0]), framework="numpy") as first,
        safe_open(str(files[1]), framework="numpy") as second,
    ):
        names = list(first.keys())
        assert names == list(second.keys())
        saved = sum(first.get_tensor(name).nbytes - second.get_tensor(name).nbytes for name in names)
    assert saved == weights - weights // 2

    again = ir.QuantModel.load(files[1])
    image = random_image(DIMS)
    assert np.array_equal(
        ir.execute(narrow.graph, image, "task0").features, ir.execute(again.graph, image, "task0").features
    )


def test_a_version_1_file_has_8_bit_weights(tmp_path: Path) -> None:
    model, file = random_model(Dims(layers=2)), tmp_path / "m.safetensors"
    model.save(file)
    with safe_open(str(file), framework="numpy") as opened:
        metadata = opened.metadata()
        tensors = {key: opened.get_tensor(key) for key in opened.keys()}  # noqa: SIM118
    header = _without_bits(json.loads(metadata["model"]))
    old = json.dumps(header, sort_keys=True)
    save_file(
        tensors, str(file), {**metadata, "version": "1", "model": old, "sha256": checksum(old, tensors)}
    )
    again = ir.QuantModel.load(file)
    assert {a.weight_bits for node in again.graph.nodes for a in ir.affines(node)} == {8}
    image = random_image(Dims(layers=2))
    assert np.array_equal(
        ir.execute(model.graph, image, "task1").output, ir.execute(again.graph, image, "task1").output
    )


def _without_bits(value: object) -> object:
    if isinstance(value, dict):
        return {key: _without_bits(item) for key, item in value.items() if key != "weight_bits"}
    return [_without_bits(item) for item in value] if isinstance(value, list) else value
