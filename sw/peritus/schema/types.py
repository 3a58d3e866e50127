# SPDX-License-Identifier: Apache-2.0
"""Types of fields that come from outside: exact (true is no 1, 8.0 no 8), bounded, finite, printable."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from peritus.schema.names import name_fault, printable

MAX_EXTENT = 65_535  # rows, columns, channels, pixels
_MAX_TEXT = 16_384  # characters
_MAX_DATA = 1 << 22  # characters

# The class attribute `__pydantic_config__` of a record: a field that it does not have is refused.
CLOSED = {"extra": "forbid"}


@dataclass(frozen=True)
class _Number:
    """Of exactly the annotated type, finite, within low..high. For a float an integer will do, and stays."""

    low: float
    high: float

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        from pydantic_core import core_schema

        if source is int:
            return core_schema.int_schema(strict=True, ge=int(self.low), le=int(self.high))
        real = core_schema.float_schema(strict=True, allow_inf_nan=False, ge=self.low, le=self.high)
        return core_schema.no_info_wrap_validator_function(_as_it_is, real)


@dataclass(frozen=True)
class _Exact:
    """Of exactly the annotated type."""

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        return {**handler(source), "strict": True}


@dataclass(frozen=True)
class _Named:
    """A text that `name_fault` finds nothing wrong with."""

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        from pydantic_core import core_schema

        return core_schema.no_info_after_validator_function(_named, core_schema.str_schema(strict=True))


@dataclass(frozen=True)
class _Escaped:
    """A text of bounded length, made `printable`."""

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        from pydantic_core import core_schema

        text = core_schema.str_schema(strict=True, max_length=_MAX_TEXT)
        return core_schema.no_info_after_validator_function(printable, text)


@dataclass(frozen=True)
class _Encoded:
    """Bytes as base64, of bounded length."""

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        from pydantic_core import core_schema

        pattern = "^[A-Za-z0-9+/]*={0,2}$"
        return core_schema.str_schema(strict=True, max_length=_MAX_DATA, pattern=pattern)


def _as_it_is(value: Any, check: Any) -> Any:
    check(value)
    return value


def _named(name: str) -> str:
    if fault := name_fault(name):
        raise ValueError(fault)
    return name


Whole = Annotated[int, _Number(-(1 << 53), 1 << 53)]
Count = Annotated[int, _Number(0, 1 << 53)]
Extent = Annotated[int, _Number(1, MAX_EXTENT)]
Real = Annotated[float, _Number(-1e300, 1e300)]
Scale = Annotated[float, _Number(1e-300, 1e300)]  # the real value of one LSB
Flag = Annotated[bool, _Exact()]
Name = Annotated[str, _Named()]
Data = Annotated[str, _Encoded()]  # base64
Text = Annotated[str, _Escaped()]  # for people: escaped, not refused
