# SPDX-License-Identifier: Apache-2.0
"""How the records of a graph lie in a model file: JSON objects with their class in "type"; arrays outside.

An array is {"tensor": NAME}, the name of a tensor of the file; of 4-bit weights with the shape in "int4".
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from peritus.ir.types import GraphError
from peritus.reference.int4 import unpack_int4
from peritus.schema import CLOSED, Count, checked, short


class Record:
    """Base of the dataclasses that a model file holds; a field that a file of an older version does not say
    has its default."""

    __pydantic_config__ = CLOSED


def plain(value: Any, kinds: Container[str]) -> Any:
    """The JSON without the types that the fields' own types imply: those of `kinds`."""
    if isinstance(value, list):
        return [plain(item, kinds) for item in value]
    if not isinstance(value, dict):
        return value
    kind = value.get("type")
    implied = isinstance(kind, str) and kind in kinds
    return {key: plain(item, kinds) for key, item in value.items() if not (implied and key == "type")}


@dataclass(frozen=True)
class OneOf:
    """One of some records, by its type."""

    records: Mapping[str, type[Record]]

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        from pydantic_core import core_schema

        choices: dict[Any, Any] = {
            name: core_schema.no_info_before_validator_function(_body, handler.generate_schema(record))
            for name, record in self.records.items()
        }
        return core_schema.tagged_union_schema(choices, discriminator=self._choice)

    def _choice(self, value: Any) -> str:
        record = value if isinstance(value, dict) else {}
        kind, name = record.get("type"), str(record.get("name"))[:60]
        if not isinstance(kind, str) or kind not in self.records:
            known = ", ".join(self.records)
            raise GraphError(name, f"unsupported layer {short(kind)}; supported: {known}")
        return kind


def _body(value: Any) -> Any:
    return {field: item for field, item in value.items() if field != "type"}


@dataclass(frozen=True)
class _Reference:
    __pydantic_config__ = CLOSED
    tensor: str
    int4: tuple[Count, ...] | None = None


@dataclass(frozen=True)
class Stored:
    """An array of this type, among the tensors that are the context."""

    dtype: type[np.generic]

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        from pydantic_core import core_schema

        return core_schema.with_info_plain_validator_function(self._take)

    def _take(self, value: Any, info: Any) -> npt.NDArray[Any]:
        found = checked(_Reference, value)
        if found.tensor not in info.context:
            raise ValueError("the file has no such tensor")
        tensor: npt.NDArray[Any] = info.context[found.tensor]
        if found.int4 is not None:
            tensor = unpack_int4(tensor, found.int4)
        if tensor.dtype != self.dtype:
            raise ValueError(f"the tensor is {tensor.dtype}, must be {np.dtype(self.dtype)}")
        return tensor
