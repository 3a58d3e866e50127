# SPDX-License-Identifier: Apache-2.0
"""The quantized model and its file: integer tensors and a JSON graph in one .safetensors; no pickle."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open

from peritus.errors import PeritusError
from peritus.ir.graph import Graph
from peritus.ir.int4 import pack_int4, unpack_int4
from peritus.ir.ops import OPS, RECORDS, Affine, Experts, Head
from peritus.ir.task import Task
from peritus.ir.tensor_file import Tensors, pack, write_whole
from peritus.ir.types import GraphError
from peritus.provenance import Provenance
from peritus.tail import HostTail

FORMAT = "peritus-quantized-model"
FLOAT_FORMAT = "peritus-float-weights"  # of the files that `peritus train` and `peritus import` write
VERSION = 5
READABLE = (
    "1",
    "2",
    "3",
    "4",
    "5",
)  # 1: int8 weights only; 1, 2: GELU in all experts; 1 to 3: heads of patches only; to 4: nothing on the host
# What files of older versions left out.
_NOT_SAID: Mapping[type[Any], Mapping[str, Any]] = {
    Affine: {"weight_bits": 8},
    Experts: {"function": "gelu"},
    Head: {"first": 1},
    Task: {"host": None},
}

_TAIL = "tail.onnx"  # the tensor with the bytes of the host's part

_CLASSES: dict[str, type[Any]] = {**OPS, **RECORDS, "Graph": Graph, "Task": Task}


class ModelFileError(PeritusError):
    """A model file is missing, truncated, corrupted or of another version; names the file and the value."""


@dataclass(frozen=True, eq=False)
class QuantModel:
    """An integer model.

    provenance: where the weights come from, the text of a peritus.provenance.Provenance. config: the model's
    dimensions, for display. tail: what the host computes of the features, for tasks without a head; see
    peritus.tail.
    """

    name: str
    graph: Graph
    provenance: str
    config: Mapping[str, str | int | float] = field(default_factory=dict)
    tail: HostTail | None = None

    @property
    def origin(self) -> Provenance:
        """`provenance`, as a record."""
        return Provenance.parse(self.provenance)

    @property
    def untrained(self) -> bool:
        """True if some of the weights are random."""
        return bool(self.origin.untrained)

    def save(self, path: str | Path) -> None:
        """Write the model to one .safetensors file, whole or not at all: the same model is the same bytes."""
        tensors: Tensors = {}
        header = {
            "name": self.name,
            "provenance": self.provenance,
            "config": dict(self.config),
            "graph": _encode(self.graph, "", tensors),
        }
        if self.tail is not None:
            tensors[_TAIL] = np.frombuffer(self.tail.model, np.uint8)
        text = json.dumps(header, sort_keys=True)
        metadata = {
            "format": FORMAT,
            "version": str(VERSION),
            "model": text,
            "sha256": checksum(text, tensors),
        }
        write_whole(Path(path), pack(tensors, metadata))

    @classmethod
    def load(cls, path: str | Path) -> QuantModel:
        """Read and verify a model file.

        Raises:
            ModelFileError: not a model file, truncated, corrupted, or of another version.
            GraphError: an unsupported layer, or a rule of the graph is broken; names the node.
        """
        if not Path(path).is_file():
            raise ModelFileError(f"model file {path} does not exist")
        try:
            with safe_open(str(path), framework="numpy") as file:
                metadata = file.metadata() or {}
                tensors: Tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a dict)
        except (SafetensorError, OSError) as error:
            raise ModelFileError(f"model file {path} is truncated or corrupted: {error}") from error
        if metadata.get("format") != FORMAT:
            raise ModelFileError(
                f"{path} is no quantized model: format is {metadata.get('format')!r}, must be {FORMAT!r}"
                + (
                    f"; peritus quantize {path} makes one of it"
                    if metadata.get("format") == FLOAT_FORMAT
                    else ""
                )
            )
        if metadata.get("version") not in READABLE:
            raise ModelFileError(
                f"model file {path} has version {metadata.get('version')}, "
                f"this program reads {', '.join(READABLE)}; "
                "quantize it again: peritus train, or quantize(net, images)"
            )
        text = metadata.get("model", "")
        found, expected = checksum(text, tensors), metadata.get("sha256", "")
        if found != expected:
            raise ModelFileError(
                f"model file {path} is corrupted: checksum {found[:16]}, expected {expected[:16]}"
            )
        header = json.loads(text)
        graph = _decode(header["graph"], "graph", tensors)
        assert isinstance(graph, Graph)
        tail = HostTail(tensors[_TAIL].tobytes()) if _TAIL in tensors else None
        return cls(header["name"], graph, header["provenance"], header["config"], tail)


def checksum(text: str, tensors: Tensors) -> str:
    """SHA-256 over the graph's JSON and all tensors, in the order of their names."""
    digest = hashlib.sha256(text.encode())
    for key in sorted(tensors):
        digest.update(key.encode())
        digest.update(np.ascontiguousarray(tensors[key]).tobytes())
    return digest.hexdigest()


def _encode(value: Any, path: str, tensors: Tensors) -> Any:
    """JSON form of a record; its arrays go to `tensors` under their path, its tuples become lists."""
    if isinstance(value, np.ndarray):
        tensors[path] = np.ascontiguousarray(value)
        return {"tensor": path}
    if isinstance(value, tuple):
        return [_encode(item, _join(path, getattr(item, "name", i)), tensors) for i, item in enumerate(value)]
    if is_dataclass(value):
        body = {f: _encode(getattr(value, f), _join(path, f), tensors) for f in _stored(type(value))}
        if isinstance(value, Affine) and value.weight_bits == 4:
            tensors[body["weight"]["tensor"]] = pack_int4(value.weight)
            body["weight"]["int4"] = list(value.weight.shape)
        return {"type": type(value).__name__, **body}
    return value


def _stored(record: type[Any]) -> list[str]:
    """Fields of a record that a file holds: what is found from others when it is made is not stored."""
    return [f.name for f in fields(record) if f.init]


def _join(path: str, name: object) -> str:
    if name == "nodes":  # node names are unique: no need for the prefix
        return path
    return f"{path}.{name}" if path else str(name)


def _decode(value: Any, where: str, tensors: Tensors) -> Any:
    if isinstance(value, list):
        return tuple(_decode(item, where, tensors) for item in value)
    if isinstance(value, dict) and "tensor" in value:
        if value["tensor"] not in tensors:
            raise ModelFileError(f"tensor {value['tensor']!r} of {where!r} is missing")
        tensor = tensors[value["tensor"]]
        if "int4" not in value:
            return tensor
        try:
            return unpack_int4(tensor, value["int4"])
        except ValueError as error:
            raise ModelFileError(f"tensor {value['tensor']!r} of {where!r}: {error}") from error
    if isinstance(value, dict):
        where = str(value.get("name", where))
        cls = _CLASSES.get(value.get("type", ""))
        if cls is None:
            raise GraphError(where, f"unsupported layer {value.get('type')!r}; supported: {', '.join(OPS)}")
        value = {**_NOT_SAID.get(cls, {}), **value}
        known = set(_stored(cls))
        if set(value) - {"type"} != known:
            raise ModelFileError(
                f"{value['type']} {where!r} has fields {sorted(value)}, must be {sorted(known)}"
            )
        return cls(**{key: _decode(item, where, tensors) for key, item in value.items() if key != "type"})
    return value
