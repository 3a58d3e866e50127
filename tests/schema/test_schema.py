# SPDX-License-Identifier: Apache-2.0
"""Types and bounds of what comes from outside, and names that do nothing but name."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
import typer

from peritus.cli.common import output_console, reports_errors
from peritus.report.pictures import task_file
from peritus.schema import (
    CLOSED,
    MAX_DEPTH,
    Count,
    Extent,
    Flag,
    Name,
    Real,
    Scale,
    SchemaError,
    Text,
    checked,
    file_fault,
    file_name,
    name_fault,
    printable,
    read_json,
    read_text,
    read_toml,
    short,
)


@dataclass(frozen=True)
class Inner:
    __pydantic_config__ = CLOSED
    rows: Extent
    scale: Scale


@dataclass(frozen=True)
class Record:
    __pydantic_config__ = CLOSED
    name: Name
    parts: tuple[Inner, ...]
    count: Count
    clock: Real
    flag: Flag = False
    note: Text = ""

    def __post_init__(self) -> None:
        if self.count == 13:
            raise ValueError("a count of 13")


GOOD = {"name": "a", "parts": [{"rows": 2, "scale": 0.5}], "count": 0, "clock": 300}


def test_a_record() -> None:
    found = checked(Record, GOOD)
    assert found == Record("a", (Inner(2, 0.5),), 0, 300)
    assert type(found.clock) is int, "an integer stays one"
    assert checked(Record, {**GOOD, "note": "red \x1b[31m\nsecond"}).note == "red \\x1b[31m\nsecond"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": ""}, "name = '': a name must have a character"),
        ({"name": "a\x1b[31m"}, r"name = 'a\x1b[31m': the name 'a\x1b[31m' has characters that cannot be"),
        ({"name": "\u202egnp.exe"}, "cannot be printed"),
        ({"name": "\ud800"}, "cannot be printed"),
        ({"name": "n" * 513}, "a name of 513 characters, limit 512"),
        ({"name": 7}, "name = 7: must be a valid string"),
        ({"count": -1}, "count = -1: must be greater than or equal to 0"),
        ({"count": True}, "count = True: must be a valid integer"),
        ({"count": 1.0}, "count = 1.0: must be a valid integer"),
        ({"count": "1"}, "count = '1': must be a valid integer"),
        (
            {"count": 10**400},
            "count = an integer of 1329 bits: must be less than or equal to 9007199254740992",
        ),
        ({"count": 13}, "a count of 13"),
        ({"clock": float("nan")}, "clock = nan: must be a finite number"),
        ({"clock": float("inf")}, "clock = inf: must be a finite number"),
        ({"clock": 10**400}, "clock = an integer of 1329 bits"),
        ({"clock": True}, "clock = True: must be a valid number"),
        ({"flag": 1}, "flag = 1: must be a valid boolean"),
        ({"parts": {}}, "parts = {}: must be a valid tuple"),
        ({"parts": [{"rows": 0, "scale": 1}]}, "parts[0].rows = 0: must be greater than or equal to 1"),
        ({"parts": [{"rows": 65536, "scale": 1}]}, "must be less than or equal to 65535"),
        ({"parts": [{"rows": 1, "scale": 0.0}]}, "parts[0].scale = 0.0: must be greater"),
        ({"parts": [{"scale": 1}]}, "parts[0].rows is missing"),
        ({"other": 1}, "'other' is no field"),
        ({"\x1b[31m": 1}, r"'\\x1b[31m' is no field"),
        ({"parts": [{}] * 9}, "and 15 more"),
    ],
)
def test_what_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(SchemaError, match=re.escape(message)) as error:
        checked(Record, {**GOOD, **changes})
    assert printable(str(error.value)) == str(error.value) and len(str(error.value)) < 500


@pytest.mark.parametrize("value", [None, 3, [], "text", {}])
def test_no_record_at_all(value: object) -> None:
    with pytest.raises(SchemaError):
        checked(Record, value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no JSON"),
        ("{", "no JSON"),
        ('{"a": 1, "a": 1}', "the key 'a' is there twice"),
        ('[{"\x1b": 1}]', "no JSON"),
        ("[NaN]", "NaN is no number"),
        ("[-Infinity]", "-Infinity is no number"),
        ("1" * 5000, "4300 digits"),
        ("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1), f"more than {MAX_DEPTH} levels"),
        ('{"a":' * 200_000, f"more than {MAX_DEPTH} levels"),
        ("[" * 200_000, f"more than {MAX_DEPTH} levels"),
        (" " * (1 << 23) + "1", "limit 8388608"),
        ("[" + "1," * 300_000 + "1]", "JSON with 300000 commas, limit 262144"),
    ],
)
def test_json_that_is_refused(text: str, message: str) -> None:
    with pytest.raises(SchemaError, match=re.escape(message)):
        read_json(text)


def test_json_that_is_taken() -> None:
    assert read_json("[" * MAX_DEPTH + "]" * MAX_DEPTH)
    assert read_json('{"[[[[": "\\"' + "{" * 100 + '"}') == {"[[[[": '"' + "{" * 100}


@pytest.mark.parametrize("text", ['"\\', '"' * 101, '"\\"', "\\"])
def test_the_depth_of_json_is_found_in_linear_time(text: str) -> None:
    start = time.monotonic()
    with pytest.raises(SchemaError):
        read_json(text * (2_000_000 // len(text)))
    assert time.monotonic() - start < 5


@pytest.mark.parametrize(
    "content",
    [
        b"\xff\xfe",
        b"a = " + b"[" * 50_000,
        b"a = " + b"1" * 5000,
        b"a = 2020-99-99",
        b"\n" * 70_000,
        b"a = 1\n" * 2,
    ],
)
def test_toml_that_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_bytes(content)
    with pytest.raises(SchemaError):
        read_toml(tmp_path / "x.toml")
    with pytest.raises(SchemaError):
        read_toml(tmp_path / "none\x00.toml")


@pytest.mark.parametrize("name", ["semseg", "task0", "m3vit_tiny.float16", "a-b"])
def test_good_names_are_files_of_their_own_name(name: str) -> None:
    assert file_name(name) == name


HOSTILE = [
    "",
    ".",
    "..",
    "../x",
    "/etc/passwd",
    "a/b",
    "a\\b",
    "-rf",
    ".hidden",
    "a\x00b",
    "é",
    "$(x)",
    "x" * 512,
    "a b",
]


def test_other_names_lead_nowhere(tmp_path: Path) -> None:
    names = {file_name(name) for name in HOSTILE}
    assert len(names) == len(HOSTILE), "different names stay different"
    for name in names:
        assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,120}", name), name
        (tmp_path / f"{name}_features.npy").write_bytes(b"")
    assert len(list(tmp_path.iterdir())) == len(HOSTILE)


def test_files_of_a_task_are_no_other_task_s() -> None:
    tasks = ["a", "a_image", "a_features", "a_image_features"]
    files = {f"{task_file(task)}{ending}" for task in tasks for ending in ("", "_image", "_features")}
    assert len(files) == 3 * len(tasks) and task_file("a") == "a"


def test_a_line_break_begins_no_line_of_ours(capsys: pytest.CaptureFixture[str]) -> None:
    @reports_errors
    def command() -> None:
        raise SchemaError("no file a\nwarning: all is well")

    with pytest.raises(typer.Exit):
        command()
    assert capsys.readouterr().err == "error: no file a\n  warning: all is well\n"
    assert "\n" not in str(name_fault("a\nb"))


def test_values_in_messages_are_short_and_harmless() -> None:
    for value in ("\x1b[31m" * 10_000, ["x" * 10_000] * 10_000, 10**5000, {"a": {"b": {"c": {"d": 1}}}}):
        assert len(short(value)) < 400 and short(value).isprintable()


def test_brackets_are_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    from rich.table import Table

    table = Table("[red]head[/red]", title="[bold]title[/bold]")
    table.add_row("[/] :skull:")
    output_console(None).print(table, "[link=x]y[/link]")
    shown = capsys.readouterr().out
    for text in ("[red]head[/red]", "[bold]title[/bold]", "[/] :skull:", "[link=x]y[/link]"):
        assert text in shown


def test_pydantic_is_imported_with_the_first_file_only() -> None:
    code = "import sys, peritus, peritus.bundle, peritus.runtime; sys.exit('pydantic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


def test_only_files_are_read(tmp_path: Path) -> None:
    """A pipe without a writer would be waited for."""
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    (tmp_path / "text").write_bytes("grün".encode())
    faults = {
        "folder": "is a folder",
        "pipe": "is no regular file",
        "circle": "cannot be read: Too many levels of symbolic links",
        "none": "does not exist",
        "text/none": "does not exist",
        "zero\0byte": "cannot be read: embedded null byte",
    }
    for name, fault in faults.items():
        assert file_fault(tmp_path / name) == fault
        for read in (read_text, read_toml):
            with pytest.raises(SchemaError, match=f"the file {fault}"):
                read(tmp_path / name)
    assert file_fault(5) == "is a int, expected a path"
    assert file_fault("/dev/zero") == "is no regular file"
    assert file_fault(tmp_path / "text") is None and read_text(tmp_path / "text") == "grün"
    with pytest.raises(SchemaError, match="a file of more than 4 bytes"):
        read_text(tmp_path / "text", 4)
    (tmp_path / "text").write_bytes(b"\xff")
    with pytest.raises(SchemaError, match="no text in UTF-8"):
        read_text(tmp_path / "text")
