# SPDX-License-Identifier: Apache-2.0
"""What may come from outside: types with bounds, the texts they are read from, and names made harmless.

A record of a file is a dataclass whose fields have the types of `peritus.schema.types`; `checked` makes one
of what a text holds, or raises a SchemaError that names the field, its value and the limit. pydantic does
the work and is imported with the first file, not with the package.
"""

from peritus.schema.files import file_fault
from peritus.schema.names import MAX_NAME, file_name, name_fault, printable
from peritus.schema.read import MAX_DEPTH, SchemaError, cause, checked, read_json, read_text, read_toml, short
from peritus.schema.types import CLOSED, MAX_EXTENT, Count, Data, Extent, Flag, Name, Real, Scale, Text, Whole

__all__ = [
    "CLOSED",
    "MAX_DEPTH",
    "MAX_EXTENT",
    "MAX_NAME",
    "Count",
    "Data",
    "Extent",
    "Flag",
    "Name",
    "Real",
    "Scale",
    "SchemaError",
    "Text",
    "Whole",
    "cause",
    "checked",
    "file_fault",
    "file_name",
    "name_fault",
    "printable",
    "read_json",
    "read_text",
    "read_toml",
    "short",
]
