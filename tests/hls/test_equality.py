# SPDX-License-Identifier: Apache-2.0
"""The twin on trained networks, from job to job, in other bindings; its speed. Also: test_three_sides.py."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import peritus
from peritus.arch.config import load_config
from peritus.arch.isa import Opcode
from peritus.arch.memories import Memory
from peritus.bundle import TOGETHER, Bundle
from peritus.compiler import compile_model
from peritus.debug.locate import first_difference, locate, recorded
from peritus.eda.csim import Binding
from peritus.ir.random_model import Dims, random_image, random_model
from peritus.report import same_result
from peritus.runtime.hls.device import HlsDevice
from peritus.runtime.iss import Trace
from peritus.runtime.iss.device import IssDevice
from tests.hls.conftest import Twins
from tests.hls.programs import MICRO, Program, compare

pytestmark = pytest.mark.hls
NANO = load_config("nano")


def bundle_of(program: Program) -> Bundle:
    return compile_model(random_model(program.dims), load_config(program.hw))


def test_trained_networks(twin: Twins) -> None:
    """All that are shipped, on both of their tasks; of m3vit_tiny not all weights stay resident."""
    tiny = ("zcu104", (128, 256))
    for name, hw, shape in (
        ("m3vit_micro", "nano", (32, 64)),
        ("m3vit_tiny", *tiny),
        ("m3vit_tiny_int4", *tiny),
    ):
        bundle = peritus.compile(peritus.load_model(name), hw=load_config(hw))
        for task in bundle.tasks:
            image = random_image(Dims(height=shape[0], width=shape[1]), 5)
            _, difference = compare(twin(hw), bundle, image, task.name, features=True)
            assert difference is None, difference


def test_what_stays_from_job_to_job(twin: Twins) -> None:
    """Resident weights are fetched by the first job of a bundle; the others find them."""
    program = Program("zcu104", replace(MICRO, expert_bits=4))
    bundle, device = bundle_of(program), twin("zcu104")
    assert any(i.opcode is Opcode.KEEP for i in bundle.instructions)
    with IssDevice(device.hw) as reference:
        device.load(bundle)
        reference.load(bundle)
        read = []
        for number, task in enumerate((*bundle.tasks, *bundle.tasks)):
            image, trace = random_image(program.dims, number), Trace()
            expected = reference.run_traced(image, task=task.name, features=True, trace=trace)
            device.record_writes()
            found = device.run(image, task=task.name, features=True)
            assert first_difference(trace, recorded(device), bundle, device.hw) is None
            assert same_result(found, expected)
            read.append(found.perf.bytes_read)
    assert read[0] > read[len(bundle.tasks)]  # the same task again


@pytest.mark.parametrize("hw", ["nano", "zcu104"])
def test_all_tasks_in_one_job(twin: Twins, hw: str) -> None:
    dims = replace(MICRO, layers=3, width=32, routing="idle")
    bundle = compile_model(random_model(dims), load_config(hw), together=True)
    writes, difference = compare(twin(hw), bundle, random_image(dims), TOGETHER, features=False)
    assert writes > 100 and difference is None, difference


@pytest.mark.parametrize("hw", ["nano", "zcu104"])
def test_no_value_leaves_its_width(twin: Twins, hw: str) -> None:
    checked = twin(hw, Binding.CHECKED)
    for dims in (MICRO, replace(MICRO, d=72, heads=3, hidden=88), replace(MICRO, expert_bits=4)):
        bundle = compile_model(random_model(dims), load_config(hw))
        for task in bundle.tasks:
            _, difference = compare(checked, bundle, random_image(dims), task.name, features=True)
            assert difference is None, difference


@pytest.mark.parametrize(
    ("name", "hw", "shape"),
    [
        ("m3vit_micro", "nano", (32, 64)),
        pytest.param("m3vit_tiny", "zcu104", (128, 256), marks=pytest.mark.long),
    ],
)
def test_the_exact_binding_equals_the_fast_one(
    twin: Twins, name: str, hw: str, shape: tuple[int, int]
) -> None:
    """ap_int, as Vitis simulates it, and machine integers: every write."""
    bundle = peritus.compile(peritus.load_model(name), hw=load_config(hw))
    image = random_image(Dims(*shape), 2)
    for task in bundle.tasks:
        sides = []
        for binding in (Binding.FAST, Binding.EXACT):
            device = twin(hw, binding)
            device.load(bundle)
            device.record_writes()
            sides.append((device.run(image, task=task.name, features=True), recorded(device)))
        (fast, fast_writes), (exact, exact_writes) = sides
        assert same_result(fast, exact)
        for memory in Memory:
            one, two = fast_writes[memory], exact_writes[memory]
            assert np.array_equal(one.address, two.address)
            assert np.array_equal(one.enable, two.enable)
            assert np.array_equal(one.data, two.data)


def test_a_difference_is_located(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another program on the twin's side than on the simulator's: the instruction and memory are named."""
    bundle = bundle_of(Program("nano", MICRO))
    index = next(n for n, i in enumerate(bundle.instructions) if i.opcode is Opcode.GEMM and i.stat_src == 1)
    changed = list(bundle.instructions)
    changed[index] = replace(changed[index], imm_shift=changed[index].imm_shift + 1)
    load = HlsDevice.load
    other = replace(bundle, instructions=tuple(changed))
    monkeypatch.setattr(HlsDevice, "load", lambda self, _: load(self, other))
    found = locate(bundle, NANO, random_image(MICRO), task="task0", device=HlsDevice)
    assert found is not None and found.instruction == index and found.memory is Memory.SCORE
    assert found.what == "wrong value"


def test_without_features_nothing_of_them_is_written(twin: Twins) -> None:
    device, bundle = twin("nano"), bundle_of(Program("nano", MICRO))
    device.load(bundle)
    for task in bundle.tasks:
        result = device.run(random_image(MICRO), task=task.name)
        assert result.features is None and result.perf.bytes_written == task.output_bytes
