# SPDX-License-Identifier: Apache-2.0
"""A sweep: every point once, in as many processes as there are; it goes on where it was interrupted."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, as_completed
from pathlib import Path
from typing import Any

from peritus.explore.errors import ExploreError
from peritus.explore.point import evaluate
from peritus.explore.space import Point
from peritus.schema import SchemaError, read_json

RECORDS = "points.jsonl"


def known(folder: Path) -> dict[str, dict[str, Any]]:
    """Records of earlier runs by the key of their point; a last line that was cut short is left out.

    Raises:
        ExploreError: another line is no record.
    """
    path = folder / RECORDS
    lines = path.read_bytes().splitlines() if path.is_file() else []
    found: dict[str, dict[str, Any]] = {}
    for number, line in enumerate(lines, 1):
        try:
            record = read_json(line.decode())
            if not isinstance(record, dict) or not isinstance(record.get("key"), str):
                raise SchemaError("no object with a key")
            found[record["key"]] = record
        except ValueError as error:  # SchemaError, UnicodeDecodeError
            if number == len(lines):
                continue
            raise ExploreError(
                f"{path}, line {number} is no record of a sweep: take another folder"
            ) from error
    return found


def sweep(
    points: Sequence[Point], folder: Path, executor: Executor, progress: Callable[[int], None]
) -> list[dict[str, Any]]:
    """Records of all points, in their order (peritus.explore.point.evaluate).

    What is not in `folder` yet is evaluated and written there as it comes. progress: told how many are done.

    Raises:
        ExploreError: the folder holds something else. OSError: it cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    records = known(folder)
    missing = [point for point in points if point.key not in records]
    path = folder / RECORDS
    whole = "".join(json.dumps(record) + "\n" for record in records.values())
    path.write_text(whole, encoding="utf-8")  # without a line that was cut short
    progress(len(points) - len(missing))
    with path.open("a", encoding="utf-8") as file:
        pending = [executor.submit(evaluate, point) for point in missing]
        try:
            for done, future in enumerate(as_completed(pending), 1):
                record = future.result()
                records[record["key"]] = record
                file.write(json.dumps(record) + "\n")
                file.flush()
                progress(len(points) - len(missing) + done)
        finally:
            for future in pending:
                future.cancel()
    return [records[point.key] for point in points]
