# SPDX-License-Identifier: Apache-2.0
"""Damaged files of hardware configurations; and what becomes of them."""

from __future__ import annotations

import random
import re
import tempfile
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

from peritus.arch.config import load_config
from peritus.codegen.configuration import cpp_config, sv_package, toml_config
from peritus.compiler import compile_model
from peritus.ir.random_model import Dims, random_model
from peritus.schema import printable
from tests.schema.json_damage import HOSTILE_NAMES, flipped

MODEL = random_model(Dims(layers=1))
_LINE = re.compile(r"^(\w+) = (.*)$", re.MULTILINE)
_EXTREMES = (
    *("0", "-1", "1", "7", "15", "16", "65535", "65536", "65537", "4294967296", "9223372036854775808"),
    *(
        "0x7fffffffffffffff",
        "0x" + "f" * 10_000,
        "1" * 5000,
        "1_0",
        "0.5",
        "1e308",
        "1e999",
        "-0.0",
        "1e-320",
    ),
    *("nan", "inf", "-inf", "true", "false", '"8"', '""', '"\\u001b[31m"', "'''\n8\n'''", "[]", "[8]", "{}"),
    *("{ a = 1 }", "1979-05-27", "1979-05-27T07:32:00Z", "07:32:00", "2020-99-99", "8 8", "", "]", "\x00"),
)
_NAMES = (
    "hw",
    "Hw",
    "",
    "a b",
    "../hw",
    "x" * 65,
    "x" * 200,
    "\x1b[31m",
    "é",
    "hw.v",
    "-hw",
    "[red]",
    "h\nw",
)


def _value(text: str, rng: random.Random, change: Callable[[str], str]) -> str:
    found = rng.choice(list(_LINE.finditer(text)))
    return text[: found.start(2)] + change(found[2]) + text[found.end(2) :]


def extreme(text: str, rng: random.Random) -> str:
    return _value(text, rng, lambda _: rng.choice(_EXTREMES))


def two_extremes(text: str, rng: random.Random) -> str:
    return extreme(extreme(text, rng), rng)


def nudged(text: str, rng: random.Random) -> str:
    """Whole numbers that another configuration might have."""
    for _ in range(rng.choice([1, 2, 3])):
        number = str(rng.choice([1 << rng.randrange(18), rng.randrange(70)]))
        text = _value(text, rng, lambda old, new=number: new if old.isdigit() else old)
    return text


def memory_system(text: str, rng: random.Random) -> str:
    first, second = rng.choice(_EXTREMES), rng.choice(_EXTREMES)
    line = f"ddr = {{ read_latency = {first}, bytes_per_cycle = {second} }}"
    return re.sub(r"^ddr = .*$", lambda _: line, text, flags=re.MULTILINE)


def nested(text: str, rng: random.Random) -> str:
    depth = rng.choice([5, 33, 500, 20_000])
    first, last = rng.choice([("[", "]"), ("{a=", "}")])
    return _value(text, rng, lambda _: first * depth + "0" + last * depth)


def deep_key(text: str, rng: random.Random) -> str:
    return text + "\n" + ".".join("a" * rng.choice([2, 100, 20_000])) + " = 1\n"


def line_removed(text: str, rng: random.Random) -> str:
    lines = text.splitlines()
    del lines[rng.randrange(len(lines))]
    return "\n".join(lines)


def line_twice(text: str, rng: random.Random) -> str:
    lines = text.splitlines()
    return "\n".join([*lines, rng.choice(lines)])


def line_added(text: str, rng: random.Random) -> str:
    added = rng.choice(["name = 'x'", "[ddr]", "[[ddr]]", "[hw]", "pk.x = 1", "extra = 1", "'\x1b' = 1"])
    return added + "\n" + text if rng.random() < 0.5 else text + "\n" + added


def key_renamed(text: str, rng: random.Random) -> str:
    found = rng.choice(list(_LINE.finditer(text)))
    name = rng.choice(["name", "__init__", "ddr", '"a b"', f'"{rng.choice(HOSTILE_NAMES)}"', "slices"])
    return text[: found.start(1)] + name + text[found.end(1) :]


def text_changed(text: str, rng: random.Random) -> str:
    letters = list(text)
    for _ in range(rng.choice([1, 3])):
        letters[rng.randrange(len(letters))] = rng.choice("={}[]\"'#\n\x00\x1b,.0é")
    return "".join(letters)


def large(text: str, rng: random.Random) -> str:
    return text + rng.choice(["\n" * 70_000, "# " + "x" * 10_000_000, "\n" + "'a' = 1\n" * 5000])


def raw(text: str, rng: random.Random) -> bytes:
    return flipped(text.encode(), rng)


def file_named(text: str, rng: random.Random) -> tuple[str, str]:
    return rng.choice(_NAMES), text


KINDS = (
    extreme,
    two_extremes,
    nudged,
    memory_system,
    nested,
    deep_key,
    line_removed,
    line_twice,
    line_added,
    key_renamed,
    text_changed,
    large,
    raw,
    file_named,
)


def whole(text: str) -> str:
    return text


def damaged(
    kind: Callable[[str, random.Random], str | bytes | tuple[str, str]], rng: random.Random
) -> tuple[str, bytes]:
    """Name and content of the file."""
    found = kind(toml_config(load_config("nano")), rng)
    name, text = found if isinstance(found, tuple) else ("hw", found)
    return name, text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")


def judge(data: tuple[str, bytes]) -> None:
    """Read, write again, generate what is built from it, compile for it; a PeritusError refuses."""
    name, content = data
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{name.replace('/', '_')}.toml"
        path.write_bytes(content)
        hw = load_config(path)
    again = toml_config(hw)
    assert {"name": hw.name, **tomllib.loads(again)} == {"name": hw.name, **hw.table()}
    text = again + sv_package(hw) + cpp_config(hw) + f"{hw.hash64:#x}"
    assert printable(text) == text
    compile_model(MODEL, hw).to_bytes()


def seeds() -> Iterator[bytes]:
    yield toml_config(load_config("nano")).encode()


def parse(data: bytes) -> None:
    """Read, and write again."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "hw.toml"
        path.write_bytes(data)
        toml_config(load_config(path))
