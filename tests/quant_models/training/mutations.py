# SPDX-License-Identifier: Apache-2.0
"""Damaged training states and journals, and what must become of them.

    python -m tests.quant_models.training.mutations --format state --count 2000

A state is refused by a typed error, and network and optimizer stay as they were; or it is understood. Half of
them are damaged as bytes, which the checksum must notice: one that is understood all the same is "wrong",
unless it holds what the whole one held. Of the other half the checksum was made anew. A journal is always
recovered: every line that is one stays, and every other is kept aside.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from peritus.errors import PeritusError
from peritus.ir.tensor_file import Tensors, pack, unpack
from quant_models.training.journal import DAMAGED_FILE, METRICS_FILE, Journal, curves, read
from quant_models.training.state import STATE_FILE, StateError, load_state, save_state

SLOW_S = 10.0
IDENTITY = {"stage": "float", "steps": 9, "rate": 0.5, "model": {"name": "x", "tasks": [["depth", 1]]}}
ODD = (None, True, -1, 0, 3, 1e400, float("nan"), 10**30, "", "3", "x" * 70000, [], [1], {}, {"a": [[]]})
Metadata = dict[str, str]


def network() -> tuple[nn.Module, torch.optim.Optimizer]:
    """A network after three steps, always the same."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4))
    optimizer = torch.optim.AdamW(net.parameters(), fused=True)
    for _ in range(3):
        optimizer.zero_grad()
        torch.autograd.backward(net(torch.randn(5, 3)).square().sum())
        optimizer.step()
    return net, optimizer


def state_file() -> bytes:
    """A valid state."""
    with tempfile.TemporaryDirectory() as folder:
        save_state(Path(folder), 3, IDENTITY, *network())
        return (Path(folder) / STATE_FILE).read_bytes()


def journal_file() -> bytes:
    """A valid journal."""
    lines = [{"step": s, "loss": 1 / (s + 1), "rate": 0.5, "validation_depth_rmse": 3.0} for s in range(20)]
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


# --- bytes of any file ---


def truncated(data: bytes, rng: random.Random) -> bytes:
    return data[: rng.randrange(len(data))]


def bits(data: bytes, rng: random.Random) -> bytes:
    damaged = bytearray(data)
    for _ in range(rng.choice([1, 4, 64])):
        damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
    return bytes(damaged)


def block_lost(data: bytes, rng: random.Random) -> bytes:
    first = rng.randrange(len(data))
    return data[:first] + bytes(min(512, len(data) - first)) + data[first + 512 :]


def inserted(data: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(data))
    return data[:at] + rng.randbytes(rng.choice([1, 8, 300])) + data[at:]


def doubled(data: bytes, rng: random.Random) -> bytes:
    return data + data[rng.randrange(len(data)) :]


BYTES = (truncated, bits, block_lost, inserted, doubled)


# --- the content of a state, checksum repaired ---


def _json_changed(value: Any, rng: random.Random) -> Any:
    """One leaf of a JSON value, or all of it, replaced by something odd."""
    if isinstance(value, dict) and value and rng.random() < 0.9:
        key = rng.choice(list(value))
        return {**value, key: _json_changed(value[key], rng)}
    if isinstance(value, list) and value and rng.random() < 0.8:
        return [_json_changed(value[0], rng), *value[1:]]
    return rng.choice(ODD)


def step_text(tensors: Tensors, metadata: Metadata, rng: random.Random) -> None:
    metadata["step"] = rng.choice(
        ["", "-1", "NaN", "1e3", "9" * 5000, "²", " 3", "3.0", "0", "4", str(2**63)]
    )


def settings(tensors: Tensors, metadata: Metadata, rng: random.Random) -> None:
    metadata["identity"] = json.dumps(_json_changed(IDENTITY, rng))


def settings_text(tensors: Tensors, metadata: Metadata, rng: random.Random) -> None:
    metadata["identity"] = rng.choice(
        ["", "{", "null", "[" * 100000, '{"a":' * 50000, "\ud7ff", "[1]", "3", '"']
    )


def entry_removed(tensors: Tensors, metadata: Metadata, rng: random.Random) -> None:
    del metadata[rng.choice(list(metadata))]


def kind(tensors: Tensors, metadata: Metadata, rng: random.Random) -> None:
    metadata[rng.choice(["format", "version"])] = rng.choice(["", "0", "2", "peritus-float-weights"])


def tensor_removed(tensors: Tensors, metadata: Metadata, rng: random.Random) -> None:
    del tensors[rng.choice(list(tensors))]


def tensor_renamed(tensors: Tensors, metadata: Metadata, rng: random.Random) -> None:
    name = rng.choice(["optimizer", "optimizer.", "optimizer.x.step", "optimizer.99.step", "net.", "a", ""])
    tensors[name] = tensors.pop(rng.choice(list(tensors)))


def tensor_shape(tensors: Tensors, metadata: Metadata, rng: random.Random) -> None:
    name = rng.choice(list(tensors))
    value = tensors[name]
    tensors[name] = rng.choice([value.reshape(-1), value[None], value.reshape(-1)[:0], np.tile(value, 2)])


def tensor_type(tensors: Tensors, metadata: Metadata, rng: random.Random) -> None:
    name = rng.choice(list(tensors))
    tensors[name] = tensors[name].astype(rng.choice([np.float64, np.float16, np.int32, np.uint8, np.bool_]))


def tensor_value(tensors: Tensors, metadata: Metadata, rng: random.Random) -> None:
    name = rng.choice(list(tensors))
    value = np.array(tensors[name])
    value.reshape(-1)[rng.randrange(value.size)] = rng.choice([np.nan, np.inf, -np.inf])
    tensors[name] = value


CONTENT = (
    step_text,
    settings,
    settings_text,
    entry_removed,
    kind,
    tensor_removed,
    tensor_renamed,
    tensor_shape,
    tensor_type,
    tensor_value,
)


def header_changed(data: bytes, rng: random.Random) -> bytes:
    """The JSON of a .safetensors file with something odd in it."""
    end = 8 + int.from_bytes(data[:8], "little")
    header = _json_changed(json.loads(data[8:end]), rng)
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data[end:]


def header_length(data: bytes, rng: random.Random) -> bytes:
    length = rng.choice([0, 1, 2**31, 2**63, 2**64 - 1, len(data), len(data) - 8])
    return length.to_bytes(8, "little") + data[8:]


def mutated_state(data: bytes, seed: int) -> tuple[str, bytes]:
    """Kind and content of a damaged state."""
    rng = random.Random(seed)
    if seed % 2:
        of_bytes = rng.choice([*BYTES, header_changed, header_length])
        return of_bytes.__name__, of_bytes(data, rng)
    tensors, metadata = unpack(data, "state")
    of_content = CONTENT[seed // 2 % len(CONTENT)]
    del metadata["sha256"]
    of_content(tensors, metadata, rng)
    metadata["sha256"] = hashlib.sha256(pack(tensors, metadata)).hexdigest()
    return of_content.__name__, pack(tensors, metadata)


def _held(net: nn.Module, optimizer: torch.optim.Optimizer) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        save_state(Path(folder), 0, {}, net, optimizer)
        return (Path(folder) / STATE_FILE).read_bytes()


def state_verdict(data: bytes, kind: str) -> str:
    """ "refused", "understood" or "wrong"; anything but a StateError is raised."""
    torch.manual_seed(1)
    net = nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4))
    optimizer = torch.optim.AdamW(net.parameters(), fused=True)
    before = _held(net, optimizer)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / STATE_FILE).write_bytes(data)
        try:
            load_state(Path(folder), IDENTITY, net, optimizer)
        except StateError:
            return "refused" if _held(net, optimizer) == before else "wrong"
    repaired = kind in {change.__name__ for change in CONTENT}
    return "understood" if repaired or _held(net, optimizer) == _whole() else "wrong"


@functools.cache
def _whole() -> bytes:
    return _held(*network())


# --- journals ---


def line_changed(data: bytes, rng: random.Random) -> bytes:
    lines = data.splitlines()
    at = rng.randrange(len(lines))
    lines[at] = json.dumps(_json_changed(json.loads(lines[at]), rng)).encode()
    return b"\n".join(lines) + b"\n"


def line_odd(data: bytes, rng: random.Random) -> bytes:
    lines = data.splitlines()
    odd = [b"[" * 60000, b"{", b"\xff\xfe", b"", b"null", b'{"step": 1' + b"0" * 5000 + b"}", b"x" * 70000]
    lines.insert(rng.randrange(len(lines)), rng.choice(odd))
    return b"\n".join(lines) + b"\n"


def line_cut(data: bytes, rng: random.Random) -> bytes:
    lines = data.splitlines()
    at = rng.randrange(len(lines))
    lines[at] = lines[at][: rng.randrange(len(lines[at]))]
    return b"\n".join(lines) + b"\n"


def mutated_journal(data: bytes, seed: int) -> tuple[str, bytes]:
    """Kind and content of a damaged journal."""
    rng = random.Random(seed)
    change = (*BYTES, line_changed, line_odd, line_cut)[seed % 8]
    return change.__name__, change(data, rng)


def journal_verdict(data: bytes, kind: str) -> str:
    """ "recovered", "understood" (nothing to recover) or "wrong"; every exception is raised."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / METRICS_FILE).write_bytes(data)
        lost, said = read(folder / METRICS_FILE)[1], []
        Journal(folder, 10**12, said.append).write(21, loss=1.0)
        kept, none = read(folder / METRICS_FILE)
        aside = (folder / DAMAGED_FILE).read_bytes() if said else b""
        curves(kept)
        intact = set(journal_file().splitlines())
        whole = {json.dumps(line) for line in kept}
        for text in data.split(b"\n"):
            if text in intact and text.decode() not in whole:
                return "wrong"  # an intact line is gone
            if text in lost and text + b"\n" not in aside:
                return "wrong"
        if none or kept[-1] != {"step": 21, "loss": 1.0}:
            return "wrong"
        return "recovered" if said else "understood"


FORMATS: dict[str, tuple[Callable[[], bytes], Any, Callable[[bytes, str], str]]] = {
    "state": (state_file, mutated_state, state_verdict),
    "journal": (journal_file, mutated_journal, journal_verdict),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--format", choices=FORMATS, default="state")
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--start", type=int, default=0)
    options = parser.parse_args()
    make, mutate, judge = FORMATS[options.format]
    data = make()
    counts: dict[str, Counter[str]] = {}
    bad = 0
    for seed in range(options.start, options.start + options.count):
        what, damaged = mutate(data, seed)
        since = time.monotonic()
        try:
            found = judge(damaged, what)
        except Exception as error:  # what must not happen
            typed = "typed error where none may be" if isinstance(error, PeritusError) else "raw exception"
            found = f"{typed}: {type(error).__name__}: {error!s:.200}"
        seconds = time.monotonic() - since
        if found not in ("refused", "understood", "recovered") or seconds > SLOW_S:
            bad += 1
            print(f"seed {seed} ({what}): {found}, {seconds:.1f} s", flush=True)
        counts.setdefault(what, Counter())[found.partition(":")[0]] += 1
    for what, found_counts in sorted(counts.items()):
        print(f"{what:20} " + ", ".join(f"{n} {found}" for found, n in sorted(found_counts.items())))
    total = sum(counts.values(), Counter())
    print(f"{options.count} files: " + ", ".join(f"{n} {found}" for found, n in sorted(total.items())))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
