# SPDX-License-Identifier: Apache-2.0
"""What our nodes have in common, in FINN's terms: streams, shapes, data types, execution by the reference.

A node says which streams it reads and writes, what it computes, and which module of rtl/finn does so. FINN
asks for the same in many methods; they all follow from that here.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from finn.custom_op.fpgadataflow.hwcustomop import HWCustomOp
from qonnx.core.datatype import DataType

from peritus.finn.errors import FoldingError, NodeInputError
from peritus.reference.arithmetic import I64, Ints


@dataclass(frozen=True)
class Stream:
    """A tensor as a stream. lanes: values of its last axis in a beat. kind: FINN's name of the data type."""

    shape: tuple[int, ...]
    lanes: int
    kind: str

    @property
    def folded(self) -> tuple[int, ...]:
        """FINN's folded shape: [..., beats of a row, lanes]."""
        return (*self.shape[:-1], self.shape[-1] // self.lanes, self.lanes)

    @property
    def beats(self) -> int:
        return math.prod(self.shape) // self.lanes

    @property
    def bits(self) -> int:
        """Of one value."""
        return int(DataType[self.kind].bitwidth())


@dataclass(frozen=True)
class Table:
    """Constants in a file. fields: values [words, lanes] and their bits, lowest bits first in every lane."""

    fields: Sequence[tuple[Ints, int]]

    @property
    def text(self) -> str:
        """One word per line, hexadecimal; the first lane in the low bits."""
        lane = sum(bits for _, bits in self.fields)
        words, lanes = self.fields[0][0].shape
        lines = []
        for word in range(words):
            total, place = 0, 0
            for position in range(lanes):
                at = place
                for values, bits in self.fields:
                    total |= (int(values[word, position]) & ((1 << bits) - 1)) << at
                    at += bits
                place += lane
            lines.append(f"{total:0{-(-place // 4)}x}")
        return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class Cxx:
    """A function of hls/finn: its streams come first, then `arguments`. tables: C type and values by name."""

    function: str
    arguments: tuple[str, ...]
    tables: Mapping[str, tuple[str, Sequence[int]]] = field(default_factory=dict)


Parameter = int | str
Types = dict[str, tuple[Any, ...]]


class PeritusNode(HWCustomOp):
    """Base of our nodes. Subclasses fill in the class variables and the methods down to `cycles`.

    module: of rtl/finn. ports_in, ports_out: its valid, ready and data ports, by stream.
    """

    module: ClassVar[str]
    ports_in: ClassVar[tuple[tuple[str, str, str], ...]] = (("valid_i", "ready_o", "data_i"),)
    ports_out: ClassVar[tuple[tuple[str, str, str], ...]] = (("valid_o", "ready_i", "data_o"),)

    @abstractmethod
    def attributes(self) -> Types:
        """Own attributes, as FINN declares them."""

    @abstractmethod
    def streams_in(self) -> tuple[Stream, ...]:
        """What it reads, one for each input."""

    @abstractmethod
    def streams_out(self) -> tuple[Stream, ...]:
        """What it writes, one for each output."""

    @abstractmethod
    def compute(self, *inputs: I64) -> tuple[Ints, ...]:
        """The outputs by peritus.reference."""

    @abstractmethod
    def parameters(self) -> Mapping[str, Parameter]:
        """Of the module, besides File."""

    def table(self) -> Table | None:
        """The module's constants, if it has any."""
        return None

    def multipliers(self) -> int:
        """DSP48E2 slices, as open synthesis finds them: `tools/finn_resources.py`."""
        return 0

    def other_connections(self) -> Sequence[str]:
        """Ports of the module besides clock, reset and `ports_in`, `ports_out`, as Verilog."""
        return ()

    def cycles(self) -> int:
        """Of one frame, when nobody makes it wait; the longest stream, if not said otherwise."""
        return max(stream.beats for stream in (*self.streams_in(), *self.streams_out()))

    # --- FINN's attributes ---

    def get_nodeattr_types(self) -> Types:
        types: Types = {**super().get_nodeattr_types(), **self.attributes()}
        return types

    def number(self, name: str) -> int:
        """An integer attribute."""
        return int(self.get_nodeattr(name))

    def numbers(self, name: str) -> npt.NDArray[np.int64]:
        """An attribute that is a list of integers."""
        return np.asarray(self.get_nodeattr(name), dtype=np.int64)

    def vectors(self) -> tuple[int, ...]:
        """numInputVectors: the axes before the channels."""
        return tuple(int(n) for n in self.get_nodeattr("numInputVectors"))

    def require_divides(self, name: str, of: str, least: int = 1) -> None:
        """A folding must divide what it folds; FoldingError otherwise."""
        value, whole = self.number(name), self.number(of)
        if value < least or value > whole or whole % value:
            raise FoldingError(
                f"node {self.onnx_node.name!r}: {name} = {value} must divide {of} = {whole} and be at least "
                f"{least}; set it in the folding configuration"
            )

    def require_at_most(self, name: str, limit: str, least: int = 1) -> None:
        """FoldingError if an attribute is outside least..limit."""
        value, most = self.number(name), self.number(limit)
        if not least <= value <= most:
            raise FoldingError(
                f"node {self.onnx_node.name!r}: {name} = {value}, {least} to {limit} = {most} is allowed"
            )

    def verify_node(self) -> list[str]:
        """FINN's check: the streams can be made of the attributes."""
        self.streams_in()
        self.streams_out()
        return [f"{self.onnx_node.name}: streams fold"]

    # --- FINN's questions about streams ---

    def get_input_datatype(self, ind: int = 0) -> Any:
        return DataType[self.streams_in()[ind].kind]

    def get_output_datatype(self, ind: int = 0) -> Any:
        return DataType[self.streams_out()[ind].kind]

    def get_normal_input_shape(self, ind: int = 0) -> tuple[int, ...]:
        return self.streams_in()[ind].shape

    def get_normal_output_shape(self, ind: int = 0) -> tuple[int, ...]:
        return self.streams_out()[ind].shape

    def get_folded_input_shape(self, ind: int = 0) -> tuple[int, ...]:
        return self.streams_in()[ind].folded

    def get_folded_output_shape(self, ind: int = 0) -> tuple[int, ...]:
        return self.streams_out()[ind].folded

    def get_instream_width(self, ind: int = 0) -> int:
        stream = self.streams_in()[ind]
        return stream.lanes * stream.bits

    def get_outstream_width(self, ind: int = 0) -> int:
        stream = self.streams_out()[ind]
        return stream.lanes * stream.bits

    def get_number_output_values(self) -> int | dict[str, int]:
        counts = [stream.beats for stream in self.streams_out()]
        return counts[0] if len(counts) == 1 else {f"out{i}": count for i, count in enumerate(counts)}

    def get_exp_cycles(self) -> int:
        return self.cycles()

    def dsp_estimation(self, fpgapart: str) -> int:
        return self.multipliers()

    def make_shape_compatible_op(self, model: Any) -> Any:
        node = super().make_shape_compatible_op(model)
        node.output[:] = self.onnx_node.output
        return node

    def infer_node_datatype(self, model: Any) -> None:
        if "inputDataType" in self.attributes():  # FINN narrows sums when it knows the weights
            self.set_nodeattr("inputDataType", model.get_tensor_datatype(self.onnx_node.input[0]).name)
        for name, stream in zip(self.onnx_node.output, self.streams_out(), strict=True):
            model.set_tensor_datatype(name, DataType[stream.kind])

    # --- execution ---

    def execute_node(self, context: dict[str, npt.NDArray[Any]], graph: Any) -> None:
        arrays = [self.take(context, index) for index in range(len(self.streams_in()))]
        for index, values in enumerate(self.compute(*arrays)):
            self.give(context, index, values)

    def take(self, context: dict[str, npt.NDArray[Any]], index: int) -> I64:
        """An input as integers; NodeInputError if it is not what the stream can carry."""
        name, stream = self.onnx_node.input[index], self.streams_in()[index]
        values, kind = context[name], DataType[stream.kind]
        if values.shape != stream.shape:
            raise NodeInputError(
                f"node {self.onnx_node.name!r}: {name} is {values.shape}, the stream {stream.shape}"
            )
        whole: I64 = values.astype(np.int64)
        if (whole != values).any() or whole.min() < kind.min() or whole.max() > kind.max():
            raise NodeInputError(
                f"node {self.onnx_node.name!r}: {name} has values from {values.min()} to {values.max()}, or "
                f"fractions; the stream carries {stream.kind}"
            )
        return whole

    def give(self, context: dict[str, npt.NDArray[Any]], index: int, values: Ints) -> None:
        """An output, as the float32 of FINN's tensors."""
        stream = self.streams_out()[index]
        context[self.onnx_node.output[index]] = values.reshape(stream.shape).astype(np.float32)


class CxxNode(PeritusNode):
    """One whose function hls/finn has, too."""

    @abstractmethod
    def cxx(self) -> Cxx:
        """The function of one frame."""


def chunks(values: Ints, lanes: int) -> I64:
    """Parameters by beat: [words, lanes]."""
    return values.astype(np.int64).reshape(-1, lanes)


VECTORS: Types = {"numInputVectors": ("ints", False, [1])}
