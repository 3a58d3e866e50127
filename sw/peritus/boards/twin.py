# SPDX-License-Identifier: Apache-2.0
"""The HLS twin for a board: its Vitis project, with a small job to simulate."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from peritus.arch.config import HwConfig
from peritus.compiler import compile_model
from peritus.eda.board import Board, vivado_settings
from peritus.eda.vitis import SCRIPT, SampleJob, write_project
from peritus.eda.vivado.twin import Twin
from peritus.ir.random_model import Dims, random_image, random_model
from peritus.runtime.iss.machine import Machine

DIMS = Dims(layers=1)  # two tasks, experts, a head: every unit, in a simulation of seconds


def twin_for(board: Board, hw: HwConfig, folder: Path) -> Twin:
    """The twin of `hw` for a board. A Vitis project that is there already stays: its IP may have been made.

    Raises:
        BoardFileError: the board has no Vivado. ProjectError: the project cannot be written.
    """
    if not (folder / SCRIPT).is_file():
        write_project(hw, vivado_settings(board).part, sample_job(hw), folder)
    return Twin(hw, folder)


def sample_job(hw: HwConfig) -> SampleJob:
    """A job of a random network, and what the instruction set simulator says that it must give."""
    bundle = compile_model(random_model(DIMS), hw)
    image = np.zeros(bundle.frame.bytes, np.uint8)
    bundle.frame.store(random_image(DIMS), image)
    found = Machine(bundle, hw).run(image, 0, True)
    assert found.features is not None
    return SampleJob(bundle, image, 0, found.output, found.features)
