# SPDX-License-Identifier: Apache-2.0
"""The table of commands, and the check of one call against it."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vivado_recorder.errors import ScriptError

_COMMON_FLAGS = ("quiet", "verbose")
_KEYS = {
    *(
        "doc",
        "flags",
        "values",
        "arguments",
        "required",
        "lists",
        "choices",
        "objects",
        "files",
        "writes",
        "needs",
    ),
    *("effect", "kind", "xdc", "constrains"),
}


@dataclass(frozen=True)
class Call:
    """One checked call: flags and values by option name, arguments by their name in the table.

    lists: the values that are Tcl lists, split.
    """

    command: str
    kind: str
    flags: frozenset[str]
    values: Mapping[str, str]
    arguments: Mapping[str, Sequence[str]]
    lists: Mapping[str, Sequence[str]]

    def argument(self, name: str, default: str = "") -> str:
        """A positional argument that is not repeated."""
        return self.arguments.get(name, [default])[0]

    def __str__(self) -> str:
        words = [self.command, *(f"-{flag}" for flag in sorted(self.flags))]
        words += [f"-{name} {{{value}}}" for name, value in self.values.items()]
        return " ".join([*words, *(f"{{{word}}}" for words in self.arguments.values() for word in words)])


def load_table(path: Path) -> dict[str, dict[str, Any]]:
    """The commands of a table; ScriptError if an entry is malformed."""
    table = tomllib.loads(path.read_text())
    for name, entry in table.items():
        if not entry.keys() <= _KEYS or not {"doc", "effect"} <= entry.keys():
            raise ScriptError(
                f"{path}: entry {name} lacks doc or effect, or has {sorted(entry.keys() - _KEYS)}"
            )
    return table


def parse(
    name: str, entry: Mapping[str, Any], words: Sequence[str], split: Callable[[str], Sequence[str]]
) -> Call:
    """Sort the words of a call into options and arguments.

    Options may stand anywhere; a positional argument may also be given by its name, as Vivado allows.

    Raises:
        ScriptError: an option is unknown, lacks its value or is missing; too few or too many arguments; a
            value is not among the choices.
    """
    shape = [text.rstrip("?.") for text in entry.get("arguments", [])]
    repeated = {text.rstrip("?.") for text in entry.get("arguments", []) if text.endswith("...")}
    optional = {text.rstrip("?.") for text in entry.get("arguments", []) if "?" in text}
    flags, values, named, free = set[str](), dict[str, str](), dict[str, list[str]](), list[str]()
    rest = list(words)
    while rest:
        word = rest.pop(0)
        option = word[1:]
        if not (word.startswith("-") and option[:1].isalpha()):
            free.append(word)
        elif option in (*entry.get("flags", []), *_COMMON_FLAGS):
            flags.add(option)
        elif option in entry.get("values", []) or option in shape:
            if not rest:
                raise ScriptError(f"{name}: option -{option} lacks its value")
            if option in values or option in named:
                raise ScriptError(f"{name}: option -{option} is given twice")
            if option in shape:
                named[option] = list(split(rest.pop(0)))
            else:
                values[option] = rest.pop(0)
        else:
            known = sorted({*entry.get("flags", []), *entry.get("values", []), *_COMMON_FLAGS})
            raise ScriptError(f"{name}: unknown option -{option}; {entry['doc']} knows -{', -'.join(known)}")
    arguments = _positional(
        name, [word for word in shape if word not in named], repeated, optional, free, split
    )
    arguments.update(named)
    for option in entry.get("required", []):
        if option not in values and option not in arguments:
            raise ScriptError(f"{name}: option -{option} is required ({entry['doc']})")
    for option, allowed in entry.get("choices", {}).items():
        for value in [values[option]] if option in values else arguments.get(option, []):
            if value not in allowed:
                raise ScriptError(f"{name}: {option} = {value!r}, must be one of {', '.join(allowed)}")
    lists = {option: split(values[option]) for option in entry.get("lists", []) if option in values}
    return Call(name, entry.get("kind", ""), frozenset(flags), values, arguments, lists)


def _positional(
    name: str,
    shape: Sequence[str],
    repeated: set[str],
    optional: set[str],
    words: Sequence[str],
    split: Callable[[str], Sequence[str]],
) -> dict[str, list[str]]:
    """Deal words to arguments: to the required, then the optional from the left, the rest to the repeated."""
    required = [argument for argument in shape if argument not in optional]
    if len(words) < len(required):
        raise ScriptError(f"{name}: argument <{required[len(words)]}> is missing")
    spare = len(words) - len(required)
    found: dict[str, list[str]] = {}
    rest = list(words)
    for index, argument in enumerate(shape):
        if argument in optional and not spare:
            continue
        if argument in optional:
            spare -= 1
        found[argument] = [rest.pop(0)]
        if argument in repeated:
            behind = sum(later not in optional for later in shape[index + 1 :])
            while len(rest) > behind:
                found[argument].append(rest.pop(0))
            found[argument] = [item for word in found[argument] for item in split(word)]
            if not found[argument] and argument not in optional:
                raise ScriptError(f"{name}: argument <{argument}> is empty")
    if rest:
        raise ScriptError(f"{name}: too many arguments, first {rest[0]!r}")
    return found
