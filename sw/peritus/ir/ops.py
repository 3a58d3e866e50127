# SPDX-License-Identifier: Apache-2.0
"""Operations of the integer graph. Each holds its constants and executes itself through peritus.reference.

A value carries the name of the node that computes it; the camera image is the value "image". All scales are
already folded into multipliers: an operation knows integers only. Ranges are checked by peritus.ir.verify.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from peritus import reference as ref
from peritus.ir.stored import OneOf, Record, Stored
from peritus.ir.types import Value
from peritus.reference.arithmetic import I64, Ints
from peritus.schema import Count, Extent, Name, Whole

Int8 = Annotated[npt.NDArray[np.int8], Stored(np.int8)]
Int16 = Annotated[npt.NDArray[np.int16], Stored(np.int16)]
Int32 = Annotated[npt.NDArray[np.int32], Stored(np.int32)]
UInt8 = Annotated[npt.NDArray[np.uint8], Stored(np.uint8)]
UInt16 = Annotated[npt.NDArray[np.uint16], Stored(np.uint16)]

Values = Mapping[str, Value]


@dataclass(frozen=True, eq=False)
class Requant(Record):
    """Per-channel factor multiplier * 2^-shift. Make it with peritus.ir.requant.

    multiplier: uint16 [channels], 0 or in [2^15, 2^16). shift: uint8 [channels], 1..47.
    """

    multiplier: UInt16
    shift: UInt8


@dataclass(frozen=True, eq=False)
class Affine(Record):
    """x W^T + b, then requantization stage 1.

    weight: int8 [out, in] within +-127, or within +-7 if weight_bits is 4: this changes how the model file
    stores them, not the arithmetic. bias: int32 [out], at the accumulator's scale. requant: [out].
    For each output channel 128 * sum|w| + |b| must stay below 2^26.
    """

    weight: Int8
    bias: Int32
    requant: Requant
    weight_bits: Literal[4, 8] = 8

    def __call__(self, x: Ints) -> I64:
        """Stage 1 result, signed 24 bits: [tokens, in] -> [tokens, out]."""
        return ref.requantize(
            ref.matmul(x, self.weight.T), self.bias, self.requant.multiplier, self.requant.shift
        )


@dataclass(frozen=True, eq=False)
class Node(Record):
    """name: unique, also the name of the computed value. inputs: names of the values read."""

    name: Name
    inputs: tuple[Name, ...]
    n_inputs: ClassVar[int] = 1

    def execute(self, values: Values, task: int) -> Value:
        """The node's value, from the values of its inputs; `task` selects the gate of a Router."""
        raise NotImplementedError

    def arrays(self, values: Values) -> list[Ints]:
        """The inputs that are plain arrays, in order."""
        found = (values[name] for name in self.inputs)
        return [value for value in found if isinstance(value, np.ndarray)]


@dataclass(frozen=True, eq=False)
class PatchEmbed(Node):
    """image -> residual: position table, plus one affine contribution to every patch token.

    affine: weight [d, c patch^2], input channels in (ky, kx, c) order, on pixels p - 128 (fold 128 sum(w),
    mean and std into bias), c channels of the image. Stage 1 gives the residual scale. position: int16
    [prefix + patches, d], at the residual scale, position embedding included everywhere. The prefix rows are
    tokens that no pixel makes: class token first, if there is one, then distillation or register tokens.
    """

    affine: Affine
    position: Int16
    patch: Extent

    def execute(self, values: Values, task: int) -> I64:
        (image,) = self.arrays(values)
        residual = self.position.astype(np.int64)
        patches = self.affine(ref.image_patches(image, self.patch))
        first = len(residual) - len(patches)
        residual[first:] = ref.residual_add(residual[first:], patches)
        return residual


@dataclass(frozen=True, eq=False)
class LayerNorm(Node):
    """residual -> activation.

    gamma: int16 [d], beta: int32 [d], shift: uint8 [d] in 1..47: out = (xhat gamma + beta) 2^-shift with xhat
    in Q5.10, so gamma 2^-shift = float_gamma / (2^10 out_scale), beta 2^-shift = float_beta / out_scale.
    epsilon: uint32, round(float_epsilon d^2 / residual_scale^2).
    """

    gamma: Int16
    beta: Int32
    shift: UInt8
    epsilon: Count

    def execute(self, values: Values, task: int) -> I64:
        (residual,) = self.arrays(values)
        return ref.layernorm(residual, self.gamma, self.beta, self.shift, self.epsilon)


@dataclass(frozen=True, eq=False)
class Linear(Node):
    """activation -> activation (bits 8) or contribution (bits 16, to be read by one Add).

    function: of peritus.reference.ACTIVATIONS; other than "none", stage 1 must give Q.8 (LSB 1/256).
    rescale: stage 2, per channel, from there to the output scale (None: stage 1, or the function, already
    gives the output scale).
    zero_point: the integer that is 0 among activations: 0, or HIDDEN_ZERO_POINT. A layer that reads them has
    -zero_point * sum(w) in its bias; attention cannot.
    """

    affine: Affine
    function: Name = "none"
    rescale: Requant | None = None
    bits: Literal[8, 16] = 8
    zero_point: Whole = 0

    def execute(self, values: Values, task: int) -> I64:
        (x,) = self.arrays(values)
        z = _stage2(self.affine(x), self.function, self.rescale)
        return ref.to_int8(z, self.zero_point) if self.bits == 8 else ref.saturate(z, 16)


@dataclass(frozen=True, eq=False)
class Attention(Node):
    """(q, k, v) activations -> activation, all [tokens, heads * head_dim], heads outermost.

    score: [heads], q . k to 1/16 octaves: log2(e) / sqrt(head_dim) * 16 s_q s_k (s_q[c] s_k[c] the same for
    all channels c of a head). value: stage 1 of P . v, [heads * head_dim]; shift2 (0..24) is added to the
    shift of the reciprocal of the row sum. Since sum(P) / rowsum = 1: value 2^-shift2 = s_v / out_scale.
    """

    heads: Extent
    score: Requant
    value: Requant
    shift2: Count
    n_inputs: ClassVar[int] = 3

    def execute(self, values: Values, task: int) -> I64:
        q, k, v = self.arrays(values)
        return ref.attention(
            q,
            k,
            v,
            self.score.multiplier,
            self.score.shift,
            self.value.multiplier,
            self.value.shift,
            self.shift2,
        )


@dataclass(frozen=True, eq=False)
class Add(Node):
    """(residual, contribution) -> residual, saturating to 16 bits."""

    n_inputs: ClassVar[int] = 2

    def execute(self, values: Values, task: int) -> I64:
        residual, contribution = self.arrays(values)
        return ref.residual_add(residual, contribution)


@dataclass(frozen=True, eq=False)
class Router(Node):
    """activation -> routing. One gate per task, in the order of the graph's task table.

    gates: affine [experts, d] each, stage 1 to logits in 1/256 octaves (log2(e) * 256 folded in). A gate
    shared by all tasks with a task embedding is the same weight with another bias per task.
    """

    gates: tuple[Affine, ...]
    top_k: Extent

    def execute(self, values: Values, task: int) -> ref.Routing:
        (x,) = self.arrays(values)
        return ref.route(ref.saturate(self.gates[task](x), 16), self.top_k)


@dataclass(frozen=True, eq=False)
class Expert(Record):
    """One expert's MLP: hidden (stage 1 to Q.8), activation, rescale (stage 2, None as of a Linear) to int8,
    then output.

    Stage 1 of `output` gives residual LSBs times 2^(score_shift - 15): extra bits that the score
    multiplication, with its one rounding, removes.
    """

    hidden: Affine
    rescale: Requant | None
    output: Affine


@dataclass(frozen=True, eq=False)
class Experts(Node):
    """(activation, routing, residual) -> residual + sum over routed experts of score * expert(activation).

    score_shift: 15 (score 32768 = 1.0) plus the extra fraction bits of the experts' outputs, 15..40. The sum
    is wide and saturates once. function: between the experts' layers, as of a Linear. zero_point: of the
    hidden values of all experts, as of a Linear.
    """

    experts: tuple[Expert, ...]
    score_shift: Count
    function: Name = "gelu"
    zero_point: Whole = 0
    n_inputs: ClassVar[int] = 3

    def execute(self, values: Values, task: int) -> I64:
        x, residual = self.arrays(values)
        routing = values[self.inputs[1]]
        assert isinstance(routing, ref.Routing)
        total = residual.astype(np.int64)
        for index, expert in enumerate(self.experts):
            tokens, scores = routing.queue(index)
            g = _stage2(expert.hidden(x[tokens]), self.function, expert.rescale)
            hidden = ref.to_int8(g, self.zero_point)
            z = ref.rescale(expert.output(hidden), scores[:, None], self.score_shift)
            total[tokens] = ref.residual_accumulate(total[tokens], z)
        return ref.saturate(total, 16)


@dataclass(frozen=True, eq=False)
class Head(Node):
    """activation -> map of one task: logits of rows * columns tokens from `first` on, pixel shuffled.

    affine: [upscale^2 * channels, d], output channels in (sy, sx, c) order, stage 1 to the task's scale.
    first: of the patches, behind the prefix; or 0 with one row and one column, the class token alone.
    Returns int16 [rows * upscale, columns * upscale, channels].
    """

    task: Name
    affine: Affine
    upscale: Extent
    rows: Extent
    columns: Extent
    first: Count = 1

    def execute(self, values: Values, task: int) -> I64:
        (x,) = self.arrays(values)
        logits = ref.saturate(self.affine(x[self.first : self.first + self.rows * self.columns]), 16)
        return ref.pixel_shuffle(logits, self.rows, self.columns, self.upscale)


def _stage2(y: I64, function: str, rescale: Requant | None) -> I64:
    g = ref.ACTIVATIONS[function](y)
    return g if rescale is None else ref.rescale(g, rescale.multiplier, rescale.shift)


def affines(node: Node) -> tuple[Affine, ...]:
    """Every matrix of a node."""
    if isinstance(node, PatchEmbed | Linear | Head):
        return (node.affine,)
    if isinstance(node, Router):
        return node.gates
    if isinstance(node, Experts):
        return tuple(affine for expert in node.experts for affine in (expert.hidden, expert.output))
    return ()


OPS: dict[str, type[Node]] = {
    cls.__name__: cls for cls in (PatchEmbed, LayerNorm, Linear, Attention, Add, Router, Experts, Head)
}
Operation = Annotated[Node, OneOf(OPS)]
