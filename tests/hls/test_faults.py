# SPDX-License-Identifier: Apache-2.0
"""What the twin says of programs that it cannot run, and where it cannot be compiled."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from peritus.arch.config import load_config
from peritus.arch.isa import FetchEntry, Instruction, Opcode
from peritus.bundle import Bundle, BundleConfigError
from peritus.compiler import compile_model
from peritus.eda.csim import Binding, twin_library
from peritus.eda.errors import BuildError, ToolNotFound
from peritus.ir.random_model import random_image, random_model
from peritus.runtime.hls.device import HlsDevice
from peritus.runtime.hls.library import TwinError, load_library
from peritus.verifier import ProgramRefused
from tests.common import copy_program as copy
from tests.common.bad_counts import bad_counts
from tests.hls.conftest import Twins
from tests.hls.programs import MICRO

pytestmark = pytest.mark.hls
NANO = load_config("nano")
INIT, STORE, END = copy.INIT, copy.STORE, copy.END
PROGRAM, FETCHES = copy.PROGRAM, copy.FETCHES

# Programs that the verifier refuses: name, what the twin says of them, program, fetch entries.
BAD: tuple[tuple[str, str, tuple[Instruction, ...], tuple[FetchEntry, ...]], ...] = (
    ("capacity", "more instructions or fetch entries", (INIT,) * 300 + (END,), FETCHES),
    ("end", r"instruction 3 \(step 3\): the program has no END", PROGRAM[:-1], FETCHES),
    ("count", r"instruction 0 .*a count is 0", (replace(INIT, tokens=0), *PROGRAM), FETCHES),
    ("short segment", "instruction 0 .*segment", PROGRAM, (replace(FETCHES[0], stripes=1), FETCHES[1])),
    ("long segment", "instruction 0 .*segment", PROGRAM, (replace(FETCHES[0], stripes=3), FETCHES[1])),
    ("no segment", "instruction 0 .*segment", PROGRAM, FETCHES[1:]),
    ("segment left", "instruction 4 .*segment", PROGRAM, (*FETCHES, FETCHES[0])),
    ("weights end", "instruction 0 .*segment", PROGRAM, (replace(FETCHES[0], offset=9999), FETCHES[1])),
    (
        "address",
        r"instruction 0 .*: address 266 is beyond",
        (replace(INIT, dst_base=255), *PROGRAM[1:]),
        FETCHES,
    ),
    ("result", "instruction 2 .*buffer", (*PROGRAM[:2], replace(STORE, imm=64), END), FETCHES),
    ("far result", "instruction 2 .*buffer", (*PROGRAM[:2], replace(STORE, imm=1 << 30), END), FETCHES),
    (
        "image",
        "instruction 0 .*buffer",
        (Instruction(Opcode.LOAD_IMAGE, keys=4095, k_tiles=1, tokens=1, n_tiles=6), *PROGRAM),
        FETCHES,
    ),
)


def run(device: HlsDevice, program: tuple[Instruction, ...], fetches: tuple[FetchEntry, ...]) -> None:
    device.load(copy.bundle(program, fetches))
    device.run(copy.IMAGE, task="first", features=True)


@pytest.mark.usefixtures("unverified")
@pytest.mark.parametrize(("message", "program", "fetches"), [b[1:] for b in BAD], ids=[b[0] for b in BAD])
def test_a_bad_program_is_named(
    twin: Twins, message: str, program: tuple[Instruction, ...], fetches: tuple[FetchEntry, ...]
) -> None:
    device = twin("nano")
    with pytest.raises(TwinError, match=message):
        run(device, program, fetches)
    device.load(copy.bundle())
    found = device.run(copy.IMAGE, task="second").outputs["second"]
    np.testing.assert_array_equal(found, copy.table(1))  # nothing of it is left


def test_the_verifier_stands_before_it(twin: Twins) -> None:
    with pytest.raises(ProgramRefused):
        run(twin("nano"), *BAD[2][2:])


@pytest.mark.usefixtures("unverified")
def test_counts_that_no_configuration_allows(twin: Twins) -> None:
    """The same instructions as in tests/rtl/benches/bench_sequencer.py."""
    for bad in bad_counts(NANO):
        with pytest.raises(TwinError, match="a count is 0"):
            run(twin("nano"), (bad, *PROGRAM), FETCHES)


@pytest.mark.usefixtures("unverified")
def test_an_unknown_opcode_is_named(twin: Twins, monkeypatch: pytest.MonkeyPatch) -> None:
    """No instruction encodes one: it is written into the program's bytes."""
    bundle = copy.bundle()
    bundle.__dict__["program"] = b"\xff" + bundle.program[1:]
    device = twin("nano")
    device.load(bundle)
    with pytest.raises(TwinError, match="there is no such instruction"):
        device.run(copy.IMAGE, task="first")


@pytest.mark.usefixtures("unverified")
def test_a_value_that_leaves_its_width_is_noticed(twin: Twins) -> None:
    """Weights and biases of any bits: sums beyond the accumulator."""
    bundle = compile_model(random_model(MICRO), NANO)
    noise = np.random.default_rng(0).integers(0, 256, len(bundle.weights), dtype=np.uint8)
    wild: Bundle = replace(bundle, weights=noise)
    device = twin("nano", Binding.CHECKED)
    device.load(wild)
    with pytest.raises(TwinError, match=r"a value left its width of \d+ bits \(binding CHECKED\)"):
        device.run(random_image(MICRO), task="task0")


def test_a_bundle_of_another_configuration_is_refused(twin: Twins) -> None:
    with pytest.raises(BundleConfigError, match="compiled for nano"):
        twin("edge").load(compile_model(random_model(MICRO), NANO))


def test_missing_headers_say_how_to_get_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    # In a cache of its own: where the library is already built, no header is asked for.
    with pytest.raises(ToolNotFound, match="hls4ml"):
        twin_library(NANO, Binding.EXACT, cache_dir=tmp_path)


def test_a_missing_compiler_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> str:
        raise ToolNotFound("'g++' is not on PATH: install g++ (11 or later) and make")

    monkeypatch.setattr("peritus.eda.csim.compiler_identity", missing)
    with pytest.raises(ToolNotFound, match="install g"):
        twin_library(NANO, cache_dir=tmp_path)


def test_compiler_errors_carry_the_log(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="no-such-option"):
        twin_library(NANO, flags=["--no-such-option"], cache_dir=tmp_path)


def test_a_damaged_library_is_named(tmp_path: Path) -> None:
    damaged = tmp_path / "libtwin.so"
    damaged.write_bytes(b"no library")
    with pytest.raises(TwinError, match="cannot be loaded"):
        load_library(damaged)


def test_a_library_of_another_configuration_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    other = twin_library(load_config("edge"))
    monkeypatch.setattr("peritus.runtime.hls.device.twin_library", lambda hw, binding: other)
    with pytest.raises(TwinError, match="is of configuration"):
        HlsDevice(NANO)
