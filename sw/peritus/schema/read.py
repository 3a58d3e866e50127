# SPDX-License-Identifier: Apache-2.0
"""From a text of others to a record of ours: JSON and TOML of bounded size and depth, checked field by
field."""

from __future__ import annotations

import json
import re
import reprlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from peritus.errors import PeritusError
from peritus.schema.files import file_fault
from peritus.schema.names import printable
from peritus.toml import tomllib

if TYPE_CHECKING:
    from pydantic import TypeAdapter

MAX_DEPTH = 32  # of objects and lists in each other
MAX_JSON, MAX_TOML = 8 << 20, 1 << 16  # characters; bytes
MAX_ITEMS = 1 << 18  # commas of a JSON: what is in its lists and objects, each of which may be a fault
_LISTED = 3  # faults in a message before it says how many more there are
_LONGEST_PLACE, _LONGEST_CAUSE = 120, 1000  # characters in a message
_DOTS = 100  # in a line of TOML
_TOKENS = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?|[\[{]|[\]}]', re.DOTALL)  # linear, whatever the text
_STEPS = {"[": 1, "{": 1, "]": -1, "}": -1}

_ADAPTERS: dict[type[Any], TypeAdapter[Any]] = {}  # made once for each kind of record

Record = TypeVar("Record")


class SchemaError(PeritusError, ValueError):
    """A text is no JSON or TOML, or what it holds breaks a rule; names the field, its value and the limit.

    Readers of files turn it into the error of their format.
    """


def read_json(text: str) -> Any:
    """The value of a JSON text of at most MAX_JSON characters, MAX_ITEMS commas and MAX_DEPTH levels.

    Raises:
        SchemaError: it is none, too large or too deep, names a key twice, or holds a NaN, an infinity or an
        integer of thousands of digits.
    """
    if len(text) > MAX_JSON:
        raise SchemaError(f"JSON of {len(text)} characters, limit {MAX_JSON}")
    if (items := text.count(",")) > MAX_ITEMS:
        raise SchemaError(f"JSON with {items} commas, limit {MAX_ITEMS}")
    depth = 0
    for token in _TOKENS.finditer(text):
        depth += _STEPS.get(token[0], 0)
        if depth > MAX_DEPTH:
            raise SchemaError(f"JSON of more than {MAX_DEPTH} levels")
    try:
        return json.loads(text, object_pairs_hook=_distinct, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise SchemaError(f"no JSON: {cause(error)}") from error


def read_text(path: Path, limit: int = MAX_JSON) -> str:
    """A file in UTF-8 of at most `limit` bytes; SchemaError says why there is none."""
    if fault := file_fault(path):
        raise SchemaError(f"the file {fault}")
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
        if len(data) > limit:
            raise SchemaError(f"a file of more than {limit} bytes")
        return data.decode()
    except OSError as error:
        raise SchemaError(f"the file cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SchemaError(f"no text in UTF-8: {cause(error)}") from error


def read_toml(path: Path) -> dict[str, Any]:
    """The table of a TOML file of at most MAX_TOML bytes; SchemaError if there is none."""
    text = read_text(path, MAX_TOML)
    try:
        if (dots := max(line.count(".") for line in text.split("\n"))) > _DOTS:  # dotted keys nest
            raise SchemaError(f"a line with {dots} dots, limit {_DOTS}")
        return tomllib.loads(text)
    except RecursionError as error:
        raise SchemaError("no TOML: lists in lists without end") from error
    except ValueError as error:  # no TOML, endless digits
        raise SchemaError(cause(error)) from error


def checked(kind: type[Record], value: object, context: object = None) -> Record:
    """The record of a dataclass that a value of `read_json` or `read_toml` describes.

    context: handed on to the fields' own validators.

    Raises:
        SchemaError: names the first fields that break their type, with value and limit. Errors that the
        records themselves raise and that are no ValueError pass.
    """
    from pydantic import TypeAdapter, ValidationError

    if kind not in _ADAPTERS:
        _ADAPTERS[kind] = TypeAdapter(kind)
    adapter: TypeAdapter[Record] = _ADAPTERS[kind]
    try:
        return adapter.validate_python(value, context=context)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False)
    except RecursionError as error:
        raise SchemaError(f"more than {MAX_DEPTH} levels") from error
    more = f" and {len(faults) - _LISTED} more" if len(faults) > _LISTED else ""
    raise SchemaError("; ".join(map(_fault, faults[:_LISTED])) + more)


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in found if names.count(name) > 1)
        raise SchemaError(f"the key {short(twice)} is there twice")
    return found


def _no_number(text: str) -> None:
    raise SchemaError(f"{text} is no number of JSON")


def cause(said: object) -> str:
    """What somebody says of a file of others, in a message: escaped and of bounded length."""
    return printable(str(said))[:_LONGEST_CAUSE]


def _fault(fault: Any) -> str:
    """ "tasks[0].rows = -1: must be greater than or equal to 1"."""
    where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in fault["loc"])
    where = printable(where.removeprefix("."))[:_LONGEST_PLACE]
    if fault["type"] == "missing":
        return f"{where} is missing"
    if fault["type"] == "unexpected_keyword_argument":
        return f"{short(where)} is no field"
    message = cause(fault["msg"].removeprefix("Value error, ").replace("Input should be", "must be"))
    return f"{where} = {short(fault['input'])}: {message}" if where else message


class _Short(reprlib.Repr):
    """Representations of bounded length."""

    def __init__(self) -> None:
        super().__init__()
        self.maxstring = self.maxother = 60
        self.maxlist = self.maxdict = 4
        self.maxlevel = 2

    def repr_int(self, value: int, level: int) -> str:
        bits = value.bit_length()
        return repr(value) if bits <= 64 else f"an integer of {bits} bits"


_shortener = _Short()


def short(value: object) -> str:
    """A value of others in a message: its representation, escaped and of bounded length."""
    return _shortener.repr(value)
