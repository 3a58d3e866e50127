# SPDX-License-Identifier: Apache-2.0
"""A dataflow graph with generated code as one simulated module."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from finn.util.basic import getHWCustomOp

from peritus.finn.packing import pack, unpack
from peritus.finn.stitch import stitch
from peritus.finn.verilator import Engine, build
from peritus.reference.arithmetic import I64, Ints

PATIENCE = 1_000_000  # cycles without a beat at either end; a frame is far shorter


class Chain:
    """The simulator of a model with one input and one output stream; closed when it is deleted."""

    def __init__(self, model: Any, folder: Path) -> None:
        self.model = model
        stitched = stitch(model, folder)
        self.engine = Engine(build(stitched.top, stitched.sources))

    def run(self, frames: Ints, stall: int = 0) -> tuple[I64, int]:
        """Frames one after the other.

        Args:
            frames: integers [frames, ...], each as the model's input without its batch axis.
            stall: chance of 256 that a stream begins a pause in a cycle; some pauses are long.

        Returns:
            The outputs [frames, ...], and the cycles from the first beat in to the last out.

        Raises:
            SimulatorError: the chain stops.
        """
        (source,), (target,) = self.model.graph.input, self.model.graph.output
        first = getHWCustomOp(self.model.find_consumer(source.name))
        last = getHWCustomOp(self.model.find_producer(target.name))
        into, out = first.get_input_datatype(), last.get_output_datatype()
        lanes_in, lanes_out = first.get_folded_input_shape()[-1], last.get_folded_output_shape()[-1]
        shape = self.model.get_tensor_shape(target.name)[1:]
        self.engine.reset()
        found, cycles = self.engine.run(
            {"in0_V": pack(frames, lanes_in, into.bitwidth())},
            {"out0_V": len(frames) * int(np.prod(shape)) // lanes_out},
            patience=PATIENCE,
            stall=stall,
        )
        values = unpack(found["out0_V"], lanes_out, out.bitwidth(), out.signed())
        return values.reshape(len(frames), *shape), cycles
