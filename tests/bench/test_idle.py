# SPDX-License-Identifier: Apache-2.0
"""Idle experts: what the model says of them, and that the program without them computes the same."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from peritus.arch.config import load_config
from peritus.bench.idle import known_in_advance, with_idle_experts
from peritus.compiler import compile_model
from peritus.cycles import predict, routing_of
from peritus.ir.random_model import Dims, random_image, random_model
from peritus.runtime.iss.device import IssDevice
from peritus.verifier import verify_program

DIMS = Dims(layers=4)


def test_known_in_advance() -> None:
    hw = load_config("nano")
    model, use = with_idle_experts(random_model(DIMS))
    image = random_image(DIMS)
    bundle = compile_model(model, hw, use=use)
    routing = routing_of(bundle, image, "task0")
    assert [[bool(count) for count in row] for row in routing] == [
        [bool(share) for share in use[name]] for name in use
    ]
    known = known_in_advance(bundle, "task0", routing)
    verify_program(replace(known, tasks=known.tasks[:1]))
    found = []
    for program in (bundle, known):
        with IssDevice(hw) as device:
            device.load(program)
            found.append(device.run(image, task="task0"))
    assert np.array_equal(found[0].outputs["task0"], found[1].outputs["task0"])
    assert found[0].perf.bytes_read == found[1].perf.bytes_read
    asked, least = (predict(program, "task0", routing) for program in (bundle, known))
    assert least.cycles <= asked.cycles < 1.01 * least.cycles
    assert asked.weight_bytes >= least.weight_bytes
