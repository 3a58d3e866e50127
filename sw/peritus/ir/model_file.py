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
from peritus.ir.ops import Affine, Expert, Requant
from peritus.ir.stored import plain
from peritus.ir.task import Task
from peritus.ir.tensor_file import Tensors, pack, write_whole
from peritus.provenance import Provenance
from peritus.reference.int4 import pack_int4
from peritus.schema import (
    CLOSED,
    Name,
    Real,
    SchemaError,
    Text,
    Whole,
    cause,
    checked,
    file_fault,
    read_json,
    short,
)
from peritus.tail import HostTail

FORMAT = "peritus-quantized-model"
FLOAT_FORMAT = "peritus-float-weights"  # of the files that `peritus train` and `peritus import` write
VERSION = 6
AGAIN = "quantize it again: peritus train, or quantize(net, images)"
# 1: int8 weights only; 1, 2: GELU in all experts; 1 to 3: heads of patches only; to 4: nothing on the host;
# to 5: no zero points.
READABLE = ("1", "2", "3", "4", "5", "6")
_TAIL = "tail.onnx"  # the tensor with the bytes of the host's part

_MAX_SETTINGS = 256  # of `config`, each a row of a table
_IMPLIED = {cls.__name__ for cls in (Graph, Task, Affine, Expert, Requant)}
_DTYPES = ("I8", "U8", "I16", "U16", "I32")  # of tensors, in the words of safetensors

Settings = Mapping[Name, Text | Whole | Real]


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
    config: Settings = field(default_factory=dict)
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
        if fault := file_fault(path):
            raise ModelFileError(f"model file {path} {fault}")
        try:
            metadata, tensors = _contents(Path(path))
        except (SafetensorError, OSError, SchemaError) as error:
            raise ModelFileError(f"model file {path} is truncated or corrupted: {cause(error)}") from error
        if metadata.get("format") != FORMAT:
            raise ModelFileError(
                f"{path} is no quantized model: format is {short(metadata.get('format'))}, must be {FORMAT!r}"
                + (
                    f"; peritus quantize {path} makes one of it"
                    if metadata.get("format") == FLOAT_FORMAT
                    else ""
                )
            )
        if metadata.get("version") not in READABLE:
            raise ModelFileError(
                f"model file {path} has version {short(metadata.get('version'))}, "
                f"this program reads {', '.join(READABLE)}; "
                f"{AGAIN}"
            )
        text = metadata.get("model", "")
        found, expected = checksum(text, tensors), metadata.get("sha256", "")
        if found != expected:
            raise ModelFileError(
                f"model file {path} is corrupted: checksum {found[:16]}, expected {short(expected[:16])}"
            )
        try:
            header = checked(_Header, plain(read_json(text), _IMPLIED), tensors)
        except SchemaError as error:
            raise ModelFileError(f"model file {path} makes no sense: {error}; {AGAIN}") from error
        tail = HostTail(tensors[_TAIL].tobytes()) if _TAIL in tensors else None
        return cls(header.name, header.graph, header.provenance, header.config, tail)


@dataclass(frozen=True)
class _Header:
    """The JSON of a model file."""

    __pydantic_config__ = CLOSED
    name: Text
    provenance: Text
    config: Settings
    graph: Graph

    def __post_init__(self) -> None:
        if len(self.config) > _MAX_SETTINGS:
            raise ValueError(f"config has {len(self.config)} entries, limit {_MAX_SETTINGS}")


def _contents(path: Path) -> tuple[dict[str, str], Tensors]:
    """Metadata and tensors of a model file, without these of any other; SchemaError for other types."""
    with safe_open(str(path), framework="numpy") as file:
        metadata = file.metadata() or {}
        if metadata.get("format") != FORMAT:
            return metadata, {}
        names = list(file.keys())
        for name in names:
            if (found := file.get_slice(name).get_dtype()) not in _DTYPES:
                raise SchemaError(f"tensor {short(name)} is {found}, must be one of {', '.join(_DTYPES)}")
        return metadata, {name: file.get_tensor(name) for name in names}


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
