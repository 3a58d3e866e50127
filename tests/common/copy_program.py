# SPDX-License-Identifier: Apache-2.0
"""A program written by hand that only moves data, for tests of devices: table, residual memory, DDR."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from peritus.arch.config import load_config
from peritus.arch.isa import FetchEntry, Instruction, Opcode
from peritus.bundle import Bundle, FeatureEntry, FrameLayout, TaskEntry

HW = load_config("nano")
TOKENS = 12
HEIGHT, WIDTH = 16, 32
IMAGE = np.arange(HEIGHT * WIDTH * 3, dtype=np.uint32).astype(np.uint8).reshape(HEIGHT, WIDTH, 3)
TABLES = np.random.default_rng(0).integers(-(1 << 15), 1 << 15, (2, TOKENS, HW.pn)).astype("<i2")

WEIGHT_BYTES = TABLES[0].nbytes
STRIPES = -(-WEIGHT_BYTES // HW.stripe_bytes)
STORE_BEATS = 2 * HW.pn // HW.axi_data_bytes
# Task t reads table t into the residual memory and stores it: as the result, and as features if asked for.
INIT = Instruction(Opcode.RES_INIT, tokens=TOKENS, n_tiles=1, dst_stride=1)
STORE = Instruction(Opcode.STORE, keys=1, k_tiles=1, tokens=TOKENS, n_tiles=STORE_BEATS, src_stride=1)
END = Instruction(Opcode.END)
PROGRAM = (
    replace(INIT, task_mask=1),
    replace(INIT, task_mask=2),
    STORE,
    replace(STORE, features_only=1),
    END,
)
FETCHES = tuple(FetchEntry(t * STRIPES, STRIPES, task_mask=1 << t) for t in range(2))


def bundle(program: tuple[Instruction, ...] = PROGRAM, fetches: tuple[FetchEntry, ...] = FETCHES) -> Bundle:
    weights = np.zeros((2, STRIPES * HW.stripe_bytes), np.uint8)
    for task in range(2):
        weights[task, :WEIGHT_BYTES] = TABLES[task].view(np.uint8).reshape(-1)
    tasks = tuple(
        TaskEntry(name, "depth", (), TOKENS, 1, HW.pn, HW.pn, scale=1.0, macs=0)
        for name in ("first", "second")
    )
    return Bundle(
        model="copy",
        provenance="written by hand",
        hw=HW,
        frame=FrameLayout(HEIGHT, WIDTH, channels=3, patch=16, pitch=48),
        tasks=tasks,
        features=FeatureEntry(TOKENS, HW.pn, HW.pn, scale=0.5),
        memory={},
        instructions=program,
        labels=tuple(f"step {n}" for n in range(len(program))),
        fetches=fetches,
        weights=weights.reshape(-1),
    )


def table(task: int) -> NDArray[np.int16]:
    expected: NDArray[np.int16] = TABLES[task].reshape(TOKENS, 1, HW.pn)
    return expected


# Hostile programs: they break out in task "first" and are good in task "second".
HOSTILE = {
    "result write": (2, (*PROGRAM[:2], replace(STORE, imm=1 << 20, task_mask=1), STORE, END), FETCHES),
    "feature write": (3, (*PROGRAM[:3], replace(PROGRAM[3], imm=1 << 20), END), FETCHES),
    "weight read": (0, PROGRAM, (FetchEntry(1 << 20, STRIPES, task_mask=1), FETCHES[1])),
    "image read": (
        0,
        (Instruction(Opcode.LOAD_IMAGE, 1, keys=4095, k_tiles=1, tokens=1, n_tiles=6), *PROGRAM),
        FETCHES,
    ),
}
