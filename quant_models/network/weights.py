# SPDX-License-Identifier: Apache-2.0
"""Float weights in one .safetensors file: state dict, and configuration as metadata. No pickle."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from peritus.errors import PeritusError
from peritus.ir.model_file import FLOAT_FORMAT
from peritus.ir.tensor_file import pack, write_whole
from peritus.schema import MAX_EXTENT, SchemaError, cause, checked, file_fault, printable, read_json, short
from peritus.tail import HostTail
from quant_models.network.config import ConfigError, M3ViTConfig
from quant_models.network.model import M3ViT
from quant_models.network.state_diff import state_diff

VERSION = 1
_DTYPES = ("F32", "F16")  # of tensors, in the words of safetensors
TAIL = "tail.onnx"  # the tensor with the bytes of the host's part


class WeightsError(PeritusError):
    """A weight file is missing, truncated, of another kind or of another architecture; names the file and
    what was expected."""


def save_weights(net: M3ViT, path: str | Path, half: bool = False, provenance: str | None = None) -> None:
    """Write the network's weights; the file appears whole or not at all, and of the same network are the same
    bytes.

    Args:
        half: store float16 instead of float32.
        provenance: where the weights come from, e.g. the command and seed that made them. None: the
        network's.
    Raises:
        WeightsError: a value is not finite, or beyond float16 with `half`.
    """
    dtype = torch.float16 if half else torch.float32
    tensors = {key: value.detach().cpu().to(dtype).contiguous() for key, value in net.state_dict().items()}
    for key, tensor in tensors.items():
        if not bool(tensor.isfinite().all()):
            raise WeightsError(
                f"weights {key} hold values that are not finite {dtype}: not written to {path}"
            )
    if net.tail is not None:
        tensors[TAIL] = torch.frombuffer(bytearray(net.tail.model), dtype=torch.uint8)
    metadata = {
        "format": FLOAT_FORMAT,
        "version": str(VERSION),
        "config": json.dumps(asdict(net.config), sort_keys=True),
        "provenance": net.provenance if provenance is None else provenance,
    }
    write_whole(Path(path), pack({key: tensor.numpy() for key, tensor in tensors.items()}, metadata))


def load_weights(path: str | Path, expected: M3ViTConfig | None = None) -> M3ViT:
    """The network of a weight file, float32, in evaluation mode.

    Raises:
        WeightsError: no weight file, truncated, its tensors do not fit its configuration, or it is another
            network than `expected` (names of networks and classes aside).
    """
    metadata, tensors = _read(Path(path), with_tensors=True)
    config = _config(Path(path), metadata)
    if expected is not None:
        differences = _differences(config, expected)
        if differences:
            raise WeightsError(f"weight file {path} is of another architecture: {differences}")
    tail = tensors.pop(TAIL, None)
    if config.n_layers > len(tensors):
        raise WeightsError(f"weight file {path} has {len(tensors)} tensors for {config.n_layers} blocks")
    for name, tensor in tensors.items():
        if not bool(tensor.isfinite().all()):
            raise WeightsError(f"weight file {path}: {name} holds values that are not finite")
    with torch.device("meta"):  # sizes only: what a file says is not allocated before it fits
        difference = state_diff(M3ViT(config).state_dict(), tensors)
    if difference:
        raise WeightsError(f"weight file {path} does not fit its own configuration: {cause(difference)}")
    net = M3ViT(config).eval()
    if tail is not None:
        net.tail = HostTail(tail.numpy().tobytes())
    net.load_state_dict(tensors)
    net.provenance = printable(metadata.get("provenance", ""))
    return net


def weights_config(path: str | Path) -> M3ViTConfig:
    """Only the configuration of a weight file; WeightsError as `load_weights`."""
    return _config(Path(path), _read(Path(path), with_tensors=False)[0])


def weights_provenance(path: str | Path) -> str:
    """Where the weights of a file come from; WeightsError as `load_weights`."""
    return printable(_read(Path(path), with_tensors=False)[0].get("provenance", ""))


def _read(path: Path, with_tensors: bool) -> tuple[dict[str, str], dict[str, Tensor]]:
    if fault := file_fault(path):
        raise WeightsError(f"weight file {path} {fault}")
    try:
        with safe_open(str(path), framework="pt") as file:
            metadata: dict[str, str] = file.metadata() or {}
            keys = list(file.keys()) if with_tensors else []
            for key in keys:
                if (found := file.get_slice(key).get_dtype()) not in (("U8",) if key == TAIL else _DTYPES):
                    raise SchemaError(f"tensor {short(key)} is {found}, must be one of {', '.join(_DTYPES)}")
            tensors: dict[str, Tensor] = {key: file.get_tensor(key) for key in keys}
    except (SafetensorError, OSError, SchemaError) as error:
        raise WeightsError(
            f"weight file {path} is truncated or no safetensors file: {cause(error)}"
        ) from error
    if metadata.get("format") != FLOAT_FORMAT:
        raise WeightsError(
            f"{path} holds no float weights: format is {short(metadata.get('format'))}, "
            f"must be {FLOAT_FORMAT!r}"
        )
    if metadata.get("version") != str(VERSION):
        raise WeightsError(
            f"weight file {path} has version {short(metadata.get('version'))}, "
            f"this program reads {VERSION}; "
            "make it again: peritus import CHECKPOINT -o FILE, or peritus train"
        )
    return metadata, tensors


def _config(path: Path, metadata: dict[str, str]) -> M3ViTConfig:
    try:
        return checked(M3ViTConfig, _as_today(read_json(metadata.get("config", ""))))
    except (ConfigError, SchemaError) as error:
        raise WeightsError(f"weight file {path} has an unreadable configuration: {error}") from error


def _as_today(record: Any) -> Any:
    """A record of before `moe_layers` says `moe_every`: the last block of each such group has experts."""
    if not isinstance(record, dict) or "moe_every" not in record:
        return record
    every: Any = record.pop("moe_every")
    blocks: Any = record.get("n_layers")
    if not all(type(count) is int and 0 <= count <= MAX_EXTENT for count in (every, blocks)):
        raise SchemaError(f"moe_every and n_layers must be integers of 0..{MAX_EXTENT}")
    layers = list(range(every - 1, blocks, every)) if every else []
    return {**record, "moe_layers": None if every == 2 else layers}


def _differences(found: M3ViTConfig, expected: M3ViTConfig) -> str:
    """Fields that make two networks different, as "field = a, expected b; ..."."""

    def comparable(config: M3ViTConfig, name: str) -> Any:
        if name == "moe_layers":
            return config.expert_layers
        value = getattr(config, name)
        return [(t.name, t.kind, t.channels) for t in value] if name == "tasks" else value

    names = [field.name for field in fields(M3ViTConfig) if field.name != "name"]
    return "; ".join(
        f"{name} = {comparable(found, name)}, expected {comparable(expected, name)}"
        for name in names
        if comparable(found, name) != comparable(expected, name)
    )
