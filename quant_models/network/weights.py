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
from peritus.tail import HostTail
from quant_models.network.config import ConfigError, M3ViTConfig, TaskConfig
from quant_models.network.model import M3ViT
from quant_models.network.state_diff import state_diff

VERSION = 1
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
    net = M3ViT(config).eval()
    if TAIL in tensors:
        net.tail = HostTail(tensors.pop(TAIL).numpy().tobytes())
    difference = state_diff(net.state_dict(), tensors)
    if difference:
        raise WeightsError(f"weight file {path} does not fit its own configuration: {difference}")
    net.load_state_dict(tensors)
    net.provenance = metadata.get("provenance", "")
    return net


def weights_config(path: str | Path) -> M3ViTConfig:
    """Only the configuration of a weight file; WeightsError as `load_weights`."""
    return _config(Path(path), _read(Path(path), with_tensors=False)[0])


def weights_provenance(path: str | Path) -> str:
    """Where the weights of a file come from; WeightsError as `load_weights`."""
    return _read(Path(path), with_tensors=False)[0].get("provenance", "")


def _read(path: Path, with_tensors: bool) -> tuple[dict[str, str], dict[str, Tensor]]:
    if not path.is_file():
        raise WeightsError(f"weight file {path} does not exist")
    try:
        with safe_open(str(path), framework="pt") as file:
            metadata: dict[str, str] = file.metadata() or {}
            keys = list(file.keys()) if with_tensors else []
            tensors: dict[str, Tensor] = {key: file.get_tensor(key) for key in keys}
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"weight file {path} is truncated or no safetensors file: {error}") from error
    if metadata.get("format") != FLOAT_FORMAT:
        raise WeightsError(
            f"{path} holds no float weights: format is {metadata.get('format')!r}, must be {FLOAT_FORMAT!r}"
        )
    if metadata.get("version") != str(VERSION):
        raise WeightsError(
            f"weight file {path} has version {metadata.get('version')}, this program reads {VERSION}; "
            "make it again: peritus import CHECKPOINT -o FILE, or peritus train"
        )
    return metadata, tensors


def _config(path: Path, metadata: dict[str, str]) -> M3ViTConfig:
    try:
        record: dict[str, Any] = json.loads(metadata.get("config", ""))
        tasks = tuple(_task(task) for task in record["tasks"])
        if "moe_every" in record:  # of files before moe_layers: the last block of each such group; 0: none
            every = record.pop("moe_every")
            layers = list(range(every - 1, record["n_layers"], every)) if every else []
            record["moe_layers"] = None if every == 2 else layers
        tuples = {
            key: tuple(record[key])
            for key in ("pixel_mean", "pixel_std", "moe_layers")
            if record[key] is not None
        }
        return M3ViTConfig(**{**record, **tuples, "tasks": tasks})
    except (ConfigError, KeyError, TypeError, ValueError) as error:
        raise WeightsError(f"weight file {path} has an unreadable configuration: {error}") from error


def _task(record: dict[str, Any]) -> TaskConfig:
    host = record.get("host")
    return TaskConfig(
        **{**record, "classes": tuple(record["classes"]), "host": None if host is None else tuple(host)}
    )


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
