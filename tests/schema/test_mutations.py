# SPDX-License-Identifier: Apache-2.0
"""Files that were once taken, or ended in a traceback, a hang or all of memory; a sample of `make fuzz`."""

from __future__ import annotations

import importlib
import json
import math
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from peritus.errors import PeritusError
from tests.schema import bundles, guided, models, tomls
from tests.schema.formats import FORMATS, GUIDED
from tests.schema.mutations import LONGEST
from tests.schema.tensor_file import TensorFile

ROOT = Path(__file__).resolve().parent.parent.parent
SAMPLE = 200
NEEDS_TORCH = {"weights", "checkpoint", "journal", "qonnx"}


def _setter(*path: Any, value: object) -> Callable[[Any], None]:
    def change(tree: Any) -> None:
        for key in path[:-1]:
            tree = tree[key]
        tree[path[-1]] = value

    return change


def _balanced(first: str, second: str, size: int) -> Callable[[Any], None]:
    """Sizes that add up to the file's."""

    def change(header: Any) -> None:
        header[first] += size
        header[second] -= size * 32

    return change


BUNDLES: dict[str, tuple[Callable[[Any], None], str]] = {
    "exec of 10^9, and negative weights": (_balanced("exec", "weight_bytes", 10**9), "weight_bytes = -"),
    "negative exec": (_setter("exec", value=-1), "exec = -1: must be greater"),
    "more instructions than there is room": (_balanced("exec", "weight_bytes", 300), "weight_bytes|exec"),
    "exec of true": (_setter("exec", value=True), "exec = True: must be a valid integer"),
    "weights of a fraction": (_setter("weight_bytes", value=64.0), "weight_bytes = 64.0"),
    "17 tasks": (
        lambda h: h.update(tasks=[{**h["tasks"][0], "name": f"t{i}"} for i in range(17)]),
        "17 tasks",
    ),
    "no task": (_setter("tasks", value=[]), "0 tasks, must be 1..16"),
    "two of a name": (lambda h: h.update(tasks=[h["tasks"][0]] * 2), "not distinct"),
    "an escape in a task": (_setter("tasks", 0, "name", value="\x1b[2J"), "cannot be printed"),
    "a class without end": (_setter("tasks", 1, "classes", value=["x" * 10**6]), "1000000 characters"),
    "an infinite scale": (_setter("tasks", 0, "scale", value=float("inf")), "Infinity is no number"),
    "a scale of 0": (_setter("features", "scale", value=0), "features.scale = 0"),
    "a map of 8 GB": (
        lambda h: h["tasks"][0].update(rows=65_535, columns=65_535),
        r"a map of \d+ bytes, limit",
    ),
    "a frame of 12 GB": (lambda h: h["frame"].update(height=65_535, width=65_520), r"a frame of \d+ bytes"),
    "memory that is not there": (_setter("memory", "act_words", value=10**6), "act_words = 1000000, limit"),
    "memory of many names": (
        _setter("memory", value={f"k{index}": 0 for index in range(100_000)}),
        "memory of",
    ),
    "a label less": (lambda h: h["labels"].pop(), "labels for"),
    "hardware with a path": (_setter("hw", "name", value="../x"), "name = ../x, must be a small letter"),
    "a ring without end": (_setter("hw", "weight_store_words", value=1 << 40), "weight_store_words"),
    "an unknown field": (_setter("frame", "colour", value=1), "frame.colour' is no field"),
}


@pytest.mark.parametrize("case", BUNDLES)
def test_bundles(case: str) -> None:
    change, message = BUNDLES[case]
    parts = bundles.taken_apart(bundles.valid())
    change(parts.header)
    with pytest.raises(PeritusError, match=message) as error:
        bundles.judge(parts.joined())
    assert len(str(error.value)) < LONGEST


MODELS: dict[str, tuple[Callable[[Any], None], str]] = {
    "a graph that is none": (_setter("graph", value=[]), "graph = \\[\\]"),
    "a record of another type": (
        _setter("graph", "nodes", 0, "type", value="Add"),
        "Add.affine' is no field",
    ),
    "a layer of no type": (_setter("graph", "nodes", 0, "type", value=["Add"]), "unsupported layer"),
    "a text for a number": (_setter("graph", "nodes", 0, "patch", value="16"), "patch = '16'"),
    "a number for a name": (_setter("graph", "nodes", 0, "inputs", value=[3]), "inputs"),
    "a tensor that is none": (_setter("graph", "nodes", 0, "position", value=7), "position = 7"),
    "a tensor from nowhere": (
        _setter("graph", "nodes", 0, "position", value={"tensor": "nowhere"}),
        "no such tensor",
    ),
    "weights of 2^60": (
        _setter(
            "graph", "nodes", 0, "position", value={"tensor": "patch_embed.position", "int4": [1 << 30] * 2}
        ),
        "packed int4 tensor",
    ),
    "an image of nothing": (_setter("graph", "image_height", value=-16), "image_height = -16"),
    "no tasks": (_setter("graph", "tasks", value=[]), "task names"),
    "a table of 100,000 rows": (
        _setter("config", value={f"k{index}": 1 for index in range(100_000)}),
        "config has 100000 entries, limit 256",
    ),
    "an escape in a node": (_setter("graph", "nodes", 0, "name", value="\x1b[2J"), "cannot be printed"),
    "a scale that is none": (_setter("graph", "residual_scale", value=float("nan")), "NaN is no number"),
}


@pytest.mark.parametrize("case", MODELS)
def test_models(case: str) -> None:
    change, message = MODELS[case]
    file = TensorFile.of(models.valid())
    header = json.loads(file.metadata["model"])
    change(header)
    file.metadata["model"] = json.dumps(header)
    with pytest.raises(PeritusError, match=message):
        models.judge(models.whole(file))


def test_a_tensor_of_no_dimension_and_one_that_numpy_lacks() -> None:
    for dtype, shape, size in (("I16", [], 2), ("BF16", [1], 2)):
        file = TensorFile.of(models.valid())
        file.tensors["patch_embed.position"] = dtype, shape, bytes(size)
        with pytest.raises(PeritusError, match=r"position has 0 dimensions|position' is BF16"):
            models.judge(models.whole(file))


@pytest.mark.parametrize(
    "line",
    [
        "act_words = 0x" + "f" * 10_000,
        "act_words = " + "[" * 20_000,
        "act_words" + ".a" * 30_000 + " = 1",
        "clock_mhz = nan",
        "clock_mhz = 1e999",
    ],
)
def test_tomls(line: str) -> None:
    key = line.partition(" = ")[0].partition(".")[0]
    text = tomls.damaged(lambda text, _: text, random.Random(0))[1].decode()
    changed = "\n".join(line if old.startswith(f"{key} =") else old for old in text.splitlines())
    assert changed != text.rstrip()
    with pytest.raises(PeritusError):
        tomls.judge(("hw", changed.encode()))


@pytest.mark.parametrize("name", FORMATS)
def test_a_sample_of_each_format(name: str) -> None:
    """In a process of its own, whose memory is limited."""
    if name == "weights":
        pytest.importorskip("torch")
    importlib.import_module(FORMATS[name])
    command = [sys.executable, "-m", "tests.schema.mutations", "--format", name, "--count", str(SAMPLE)]
    found = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=ROOT, check=False)
    lines = found.stdout.splitlines()
    assert lines and lines[-1].startswith(f"{SAMPLE} of {name}: "), found.stderr
    assert found.returncode == 0, "\n".join(line for line in lines if line.startswith("seed "))
    assert " refused" in lines[-1] and " usable" in lines[-1]


@pytest.mark.parametrize("name", GUIDED)
def test_what_the_guided_fuzzer_begins_with_is_understood(name: str, tmp_path: Path) -> None:
    """And what is damaged is refused, or understood."""
    if name in NEEDS_TORCH:
        pytest.importorskip("torch")
    parser = importlib.import_module(GUIDED[name])
    tally = guided.Tally(name, tmp_path, math.inf)
    for seed in parser.seeds():
        tally.attempt(parser, seed)
        assert tally.counts.total() == tally.counts["usable"]
    for cut in (0, 1, 9, len(seed) // 2, len(seed) - 1):
        tally.attempt(parser, seed[:cut])
    assert tally.counts["refused"] >= 1 or name == "journal"
    assert not tally.faults


def test_a_fault_is_kept_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def parse(data: bytes) -> None:
        raise ZeroDivisionError(data.decode())

    parser = ModuleType("parser")
    vars(parser).update(repaired=lambda data: data, parse=parse)
    tally = guided.Tally("x", tmp_path, math.inf)
    for data in (b"first", b"second"):
        tally.attempt(parser, data)
    (kept,) = tmp_path.glob("raw-*")
    assert kept.read_bytes() == b"first" and "ZeroDivisionError in" in capsys.readouterr().out
    assert tally.counts["raw"] == 2
