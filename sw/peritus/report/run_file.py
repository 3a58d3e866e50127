# SPDX-License-Identifier: Apache-2.0
"""run.json: all that a run leaves for those who look at it later, in the folder of its maps.

It holds the configuration, the program without its weights, and of each frame counters, routing and
timeline: enough to explain every cycle where neither the bundle nor the device is at hand. What is read is of
others: every part is checked by itself, so that a part that is damaged, or of another version, costs that
part and is said.
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from peritus.arch.isa import EncodingError, FetchEntry, Instruction
from peritus.bundle import Bundle
from peritus.bundle.bundle import EXEC_BYTES, FETCH_BYTES
from peritus.bundle.header import Header
from peritus.errors import PeritusError
from peritus.report.run_parts import FrameRecord, Memory, Origin
from peritus.schema import SchemaError, checked, file_fault, read_json, read_text, short

FORMAT, VERSION = "peritus run", 1
FILE = "run.json"
MAX_FRAMES = 16

Part = TypeVar("Part")


class RunError(PeritusError):
    """There is no record of a run, or what is there is none; names the file and what is wrong."""


@dataclass(frozen=True)
class Run:
    """What is known of a run. program: the bundle without its weights.

    missing: sentences that say which parts of the record could not be read, and why.
    """

    origin: Origin | None
    memory: Memory | None
    program: Bundle | None
    frames: tuple[FrameRecord, ...]
    folder: Path | None = None
    missing: tuple[str, ...] = ()


def installed_version() -> str:
    """Of this package."""
    try:
        return version("peritus")
    except PackageNotFoundError:
        return "unknown"


def bundle_digest(bundle: Bundle) -> str:
    """SHA-256 of the bundle's file."""
    return hashlib.sha256(bundle.to_bytes()).hexdigest()


def write_run(run: Run, path: Path) -> None:
    """Write the record of a run that is complete."""
    if run.program is None or run.origin is None:
        raise RunError(f"{path}: a run without its program or its command is not written")
    program = run.program
    record = {
        "format": FORMAT,
        "version": VERSION,
        "origin": asdict(run.origin),
        "memory": asdict(run.memory) if run.memory else None,
        "header": asdict(program.header()),
        "program": base64.b64encode(program.program).decode(),
        "frames": [asdict(frame) for frame in run.frames],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record) + "\n", encoding="utf-8")


def read_run(path: Path) -> Run:
    """The run of a folder, or of its run.json.

    Raises:
        RunError: no such file; it is no record of a run, or too large. Parts that are damaged or of another
        version are left out, and named in `missing`.
    """
    file = path / FILE if path.is_dir() else path
    if fault := file_fault(file):
        raise RunError(f"{path} is no run: {file} {fault}; `peritus run -o FOLDER` writes it")
    try:
        value = read_json(read_text(file))
    except SchemaError as error:
        raise RunError(f"{file} is no record of a run: {error}") from error
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        raise RunError(f"{file} is no record of a run: it does not say that its format is {FORMAT!r}")
    return _parse(value, file.parent)


def _parse(value: dict[str, Any], folder: Path) -> Run:
    missing: list[str] = []
    if value.get("version") != VERSION:
        missing.append(f"the record has version {short(value.get('version'))}, read is {VERSION}")

    def part(kind: type[Part], name: str) -> Part | None:
        try:
            return checked(kind, value.get(name))
        except PeritusError as error:
            missing.append(f"{name}: {error}" if name in value else f"{name} is not there")
            return None

    origin = part(Origin, "origin")
    memory = part(Memory, "memory") if value.get("memory") is not None else None
    program = None
    if (header := part(Header, "header")) is not None:
        try:
            program = _program(header, value.get("program"))
        except PeritusError as error:
            missing.append(f"program: {error}")
    frames = []
    found = value.get("frames")
    listed = found if isinstance(found, list) else []
    if len(listed) > MAX_FRAMES:
        missing.append(f"of {len(listed)} frames the first {MAX_FRAMES} are read")
    for number, frame in enumerate(listed[:MAX_FRAMES]):
        try:
            frames.append(checked(FrameRecord, frame))
        except PeritusError as error:
            missing.append(f"frame {number}: {error}")
    if not frames:
        missing.append("no frame can be read")
    return Run(origin, memory, program, tuple(frames), folder, tuple(missing))


def _program(header: Header, text: object) -> Bundle:
    """The bundle without its weights."""
    if header.config_hash != f"{header.hw.hash64:#018x}":
        raise SchemaError(
            f"of another instruction layout, {short(header.config_hash)}; here it is {header.hw.hash64:#018x}"
        )
    expected = header.exec * EXEC_BYTES + header.fetch * FETCH_BYTES
    try:
        raw = base64.b64decode(text if isinstance(text, str) else "", validate=True)
        if len(raw) != expected:
            raise SchemaError(f"{len(raw)} bytes, expected {expected}")
        split = header.exec * EXEC_BYTES
        words = [int.from_bytes(raw[i : i + EXEC_BYTES], "little") for i in range(0, split, EXEC_BYTES)]
        entries = [
            int.from_bytes(raw[i : i + FETCH_BYTES], "little") for i in range(split, expected, FETCH_BYTES)
        ]
        return Bundle(
            model=header.model,
            provenance=header.provenance,
            hw=header.hw,
            frame=header.frame,
            tasks=header.tasks,
            features=header.features,
            memory=header.memory,
            instructions=tuple(map(Instruction.decode, words)),
            labels=header.labels,
            fetches=tuple(map(FetchEntry.decode, entries)),
            weights=np.zeros(0, np.uint8),
            together=header.together,
        )
    except SchemaError:
        raise
    except (EncodingError, ValueError) as error:
        raise SchemaError(f"cannot be decoded: {error}") from error
