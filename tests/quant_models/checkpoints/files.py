# SPDX-License-Identifier: Apache-2.0
"""Checkpoints of others for the coverage-guided fuzzer: PyTorch's two formats, and safetensors."""

from __future__ import annotations

import io
from collections.abc import Iterator

import torch
from safetensors.torch import save

from quant_models.checkpoints.read import read_tensors
from tests.schema.temporary import file_of

SAFETENSORS = b'{"'  # behind the length of the header


def seeds() -> Iterator[bytes]:
    tensors = {"module.pos_embed": torch.zeros(1, 3, 4), "norm.weight": torch.ones(4)}
    for content in (tensors, {"state_dict": tensors, "epoch": 3}):
        for zipped in (True, False):
            file = io.BytesIO()
            torch.save(content, file, _use_new_zipfile_serialization=zipped)
            yield file.getvalue()
    yield save(tensors)


def parse(data: bytes) -> None:
    """Read the tensors."""
    suffix = ".safetensors" if data[8:10] == SAFETENSORS else ".pth"
    with file_of(data, suffix) as path:
        read_tensors(path)
