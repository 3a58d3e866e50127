# SPDX-License-Identifier: Apache-2.0
"""The core as UltraScale+ gets it: DSP48E2 slices, pipelines that always load; same integers, same cycles."""

from __future__ import annotations

from dataclasses import replace

import pytest

from peritus.arch.config import HwConfig, load_config
from peritus.compiler import compile_model
from peritus.ir.random_model import Dims, random_image, random_model
from peritus.report import same_result
from peritus.runtime.iss.device import IssDevice
from peritus.runtime.rtl.device import RtlDevice

# Each takes a simulator of its own; in `make test` benches of the array hold its slices to the same.
pytestmark = [pytest.mark.sim, pytest.mark.long]
NANO = load_config("nano")
DOUBLE = replace(NANO, name="double", pk=16, pn=16, pack_macs=True, dsp_ratio=2)


@pytest.mark.parametrize("hw", [NANO, DOUBLE], ids=lambda hw: f"dsp_ratio {hw.dsp_ratio}")
def test_whole_models_as_synthesized(hw: HwConfig) -> None:
    """With dsp_ratio 2 the slices have a clock of their own here, of twice the frequency."""
    with RtlDevice(hw, as_synthesized=True) as slices, RtlDevice(hw) as behaviour:
        for dims in (Dims(layers=2), replace(Dims(layers=2), d=72, heads=3, hidden=88, routing="skewed")):
            bundle = compile_model(random_model(dims), hw)
            image = random_image(dims)
            with IssDevice(hw) as reference:
                reference.load(bundle)
                slices.load(bundle)
                behaviour.load(bundle)
                for task in bundle.tasks:
                    found = slices.run(image, task=task.name, features=True)
                    assert same_result(found, reference.run(image, task=task.name, features=True))
                    usual = behaviour.run(image, task=task.name, features=True)
                    assert found.perf.cycles == usual.perf.cycles
