# SPDX-License-Identifier: Apache-2.0
"""Random damage to a JSON value, of kinds that its readers must know.

Each kind returns the text of the damaged value.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

EXTREMES: tuple[Any, ...] = (
    *(0, -1, 1, 2, 15, 16, 17, 255, 65_535, 65_536, 2**31, 2**32, 2**53 + 1, 2**63, -(2**63), 10**9, 10**400),
    *(0.0, -0.0, 0.5, 1e-320, 1e308, -1e308, float("nan"), float("inf"), -float("inf")),
)
OTHER_TYPES: tuple[Any, ...] = (None, True, False, "", "1", "text", [], {}, [[]], [1, 2, 3], {"a": 1}, 3.5, 7)
HOSTILE_NAMES = (
    "",
    "../../etc/x",
    "/etc/x",
    ".",
    "..",
    "a/b",
    "-rf",
    "C:\\x",
    "\x1b[31mred",
    "\x1b]0;title\x07",
    "\x9b2J",
    "a\nb",
    "a\x00b",
    "a\rb",
    "\u202eelif",
    "\ud800",
    "[bold]loud[/bold]",
    "[/]",
    "[link=file:///etc/passwd]x[/link]",
    ":skull:",
    "$(touch x)",
    "'; touch x; '",
    "x" * 513,
    "y" * 100_000,
    "keys",
    "None",
    "\u00e9t\u00e9",
)
_MARK = "@@here@@"


@dataclass(frozen=True)
class Place:
    """Where a value is: holder[key]. path: the keys from the root, those of lists as "*"."""

    holder: Any
    key: Any
    path: str

    @property
    def value(self) -> Any:
        return self.holder[self.key]


def places(tree: Any, keep: Callable[[Any], bool] = lambda value: True, path: str = "") -> list[Place]:
    """Every value in it that is kept, in order."""
    found: list[Place] = []
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in items:
        below = f"{path}.{'*' if isinstance(tree, list) else key}"
        if keep(value):
            found.append(Place(tree, key, below))
        found += places(value, keep, below)
    return found


def _place(tree: Any, rng: random.Random, keep: Callable[[Any], bool]) -> Place:
    """A random path first, so that fields that are there once get their share."""
    found = places(tree, keep)
    path = rng.choice(sorted({place.path for place in found}))
    return rng.choice([place for place in found if place.path == path])


def _set(tree: Any, rng: random.Random, value: Any, keep: Callable[[Any], bool] = lambda value: True) -> str:
    place = _place(tree, rng, keep)
    place.holder[place.key] = value(place.value) if callable(value) else value
    return json.dumps(tree)


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _objects(tree: Any) -> list[dict[str, Any]]:
    return [tree, *(place.value for place in places(tree, lambda v: isinstance(v, dict) and bool(v)))]


def json_extreme(tree: Any, rng: random.Random) -> str:
    return _set(tree, rng, rng.choice(EXTREMES), _number)


def json_nudged(tree: Any, rng: random.Random) -> str:
    change = rng.choice([lambda v: v + 1, lambda v: v - 1, lambda v: v * 2, lambda v: -v, lambda v: v // 2])
    return _set(tree, rng, change, _number)


def json_type(tree: Any, rng: random.Random) -> str:
    return _set(tree, rng, rng.choice(OTHER_TYPES))


def json_name(tree: Any, rng: random.Random) -> str:
    return _set(tree, rng, rng.choice(HOSTILE_NAMES), lambda value: isinstance(value, str))


def json_swapped(tree: Any, rng: random.Random) -> str:
    """Two values change places, often of other types."""
    a, b = (_place(tree, rng, lambda value: not isinstance(value, dict | list)) for _ in range(2))
    a.holder[a.key], b.holder[b.key] = b.value, a.value
    return json.dumps(tree)


def json_key_removed(tree: Any, rng: random.Random) -> str:
    found = rng.choice(_objects(tree))
    del found[rng.choice(sorted(found))]
    return json.dumps(tree)


def json_key_added(tree: Any, rng: random.Random) -> str:
    rng.choice(_objects(tree))[rng.choice(HOSTILE_NAMES)] = rng.choice(OTHER_TYPES)
    return json.dumps(tree)


def json_key_twice(tree: Any, rng: random.Random) -> str:
    found = rng.choice(_objects(tree))
    key = rng.choice(sorted(found))
    found[_MARK] = rng.choice(OTHER_TYPES)
    return json.dumps(tree).replace(_MARK, key)


def json_list(tree: Any, rng: random.Random) -> str:
    def change(items: list[Any]) -> list[Any]:
        kind = rng.randrange(5)
        if kind == 0 or not items:
            return []
        if kind == 1:
            return items[:-1]
        if kind == 2:
            return [*items, items[-1]]
        return items[::-1] if kind == 3 else items * rng.choice([2, 100])

    return _set(tree, rng, change, lambda value: isinstance(value, list))


def json_many(tree: Any, rng: random.Random) -> str:
    """A list or an object of very many, each of them wrong."""
    count, item = rng.choice([1000, 100_000, 400_000]), rng.choice([1, "", [], "x"])
    many = [item] * count if rng.random() < 0.5 else {f"k{i}": item for i in range(count)}
    return _set(tree, rng, many, lambda value: isinstance(value, list | dict))


def json_nested(tree: Any, rng: random.Random) -> str:
    text = _set(tree, rng, _MARK)
    depth = rng.choice([10, 31, 40, 900, 100_000])
    first, last = rng.choice([("[", "]"), ('{"a":', "}")])
    return text.replace(f'"{_MARK}"', first * depth + "0" + last * depth)


def json_text(tree: Any, rng: random.Random) -> str:
    text = list(json.dumps(tree))
    for _ in range(rng.choice([1, 1, 3])):
        text[rng.randrange(len(text))] = rng.choice('{}[]",:\\0-e. \x00\x1b\u00e9N')
    return "".join(text)


def json_whole(tree: Any, rng: random.Random) -> str:
    return rng.choice(
        ["", "null", "[]", "{}", "0", '"x"', "{" * 10, "NaN", json.dumps(tree) + "x", "\ufeff{}"]
    )


JSON_KINDS: tuple[Callable[[Any, random.Random], str], ...] = (
    json_extreme,
    json_nudged,
    json_type,
    json_name,
    json_swapped,
    json_key_removed,
    json_key_added,
    json_key_twice,
    json_list,
    json_many,
    json_nested,
    json_text,
    json_whole,
)


def flipped(data: bytes, rng: random.Random) -> bytes:
    """Some bits the other way, or the end missing, or something behind it."""
    damaged = bytearray(data)
    kind = rng.random()
    if kind < 0.25:
        del damaged[rng.randrange(len(damaged)) :]
    elif kind < 0.35:
        damaged += rng.randbytes(rng.choice([1, 8, 4096]))
    else:
        for _ in range(rng.choice([1, 4, 64])):
            damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
    return bytes(damaged)
