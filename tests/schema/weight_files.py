# SPDX-License-Identifier: Apache-2.0
"""Damaged files of float weights; and what becomes of them."""

from __future__ import annotations

import json
import random
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

import torch

from quant_models.network.config import M3VIT_MICRO
from quant_models.network.init import new_model
from quant_models.network.weights import load_weights, save_weights, weights_config, weights_provenance
from tests.schema.models import metadata
from tests.schema.shown import check_shown
from tests.schema.temporary import file_of
from tests.schema.tensor_file import FILE_KINDS, TensorFile, json_kinds


@cache
def valid() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "w.safetensors"
        save_weights(new_model(replace(M3VIT_MICRO, n_layers=2)), path, half=True, provenance="a test")
        return path.read_bytes()


def whole(file: TensorFile) -> bytes:
    return file.joined()


def older(file: TensorFile, rng: random.Random) -> None:
    """A record of before `moe_layers`."""
    config = json.loads(file.metadata["config"])
    del config["moe_layers"]
    config["moe_every"] = rng.choice([0, 1, 2, 3, -1, 10**9, 10**30, "2", None, True, 1.5, [2]])
    config["n_layers"] = rng.choice([2, 2, 2, 10**9, -1, "2", None])
    file.metadata["config"] = json.dumps(config)


KINDS = (*json_kinds("config"), metadata, older, *FILE_KINDS)


def damaged(kind: Callable[[TensorFile, random.Random], bytes | None], rng: random.Random) -> bytes:
    file = TensorFile.of(valid())
    data = kind(file, rng)
    return whole(file) if data is None else data


def judge(data: bytes) -> None:
    """Read, print, and compute the maps of a picture; a PeritusError refuses."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "w.safetensors"
        path.write_bytes(data)
        net = load_weights(path)
        assert weights_config(path) == net.config
        check_shown(f"{net.config.name}: {', '.join(net.config.task_names)}", weights_provenance(path))
    config = net.config
    picture = torch.zeros(1, config.in_channels, config.image_height, config.image_width)
    with torch.no_grad():
        net.all_tasks(picture)


def seeds() -> Iterator[bytes]:
    yield valid()


def parse(data: bytes) -> None:
    """Read."""
    with file_of(data, ".safetensors") as path:
        load_weights(path)
