# SPDX-License-Identifier: Apache-2.0
"""Packs constants into segments of the weight stream, in the order in which the hardware consumes them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from peritus.arch.params import pack_params
from peritus.arch.tiles import pack_rows
from peritus.compiler.layout import Layout
from peritus.ir.ops import Affine, LayerNorm, Requant
from peritus.reference.arithmetic import Ints

Bytes = npt.NDArray[np.uint8]


def param_blocks(bias: Ints, stage1: Requant, stage2: Requant | None, layout: Layout, pn: int) -> Bytes:
    """Parameter blocks of a layout's words (peritus.arch.params). stage2: factors by channel."""
    lanes: dict[str, Ints] = {"bias": bias, "mult1": stage1.multiplier, "shift1": stage1.shift}
    if stage2 is not None:
        lanes |= {"mult2": stage2.multiplier, "shift2": stage2.shift}
    return pack_params(lanes, layout.positions, layout.words, pn)


def affine_segment(
    affine: Affine,
    stage2: Requant | None,
    inputs: Layout,
    outputs: Layout,
    pk: int,
    pn: int,
    int4: bool = False,
) -> Bytes:
    """For each output word: tiles of all input slices, the parameter block just before the last tile.

    A tile holds pk rows (input channels) of pn weights (output channels): peritus.arch.tiles.
    """
    slices = inputs.tiles(pk)
    # One axis after the other, so that NumPy copies whole rows: element by element is five times slower.
    lanes = np.zeros((outputs.words * pn, affine.weight.shape[1]), np.int8)
    lanes[outputs.positions] = affine.weight
    rows = np.zeros((slices * pk, outputs.words * pn), np.int8)
    rows[inputs.positions] = lanes.T
    tiles = pack_rows(rows.reshape(slices * pk, outputs.words, pn).transpose(1, 0, 2), int4)
    params = param_blocks(affine.bias, affine.requant, stage2, outputs, pn)
    before, last = (part.reshape(outputs.words, -1) for part in np.split(tiles, [(slices - 1) * pk], axis=1))
    segment: Bytes = np.concatenate([before, params, last], axis=1).reshape(-1)
    return segment


def value_segment(stage1: Requant, outputs: Layout, pn: int) -> Bytes:
    """Parameter blocks of P . V for one head."""
    return param_blocks(np.zeros(len(outputs.positions), np.int32), stage1, None, outputs, pn).reshape(-1)


def layernorm_segment(node: LayerNorm, layout: Layout, pn: int) -> Bytes:
    """Parameter blocks of a LayerNorm: bias = beta, m1 = gamma (int16), s1 = shift."""
    constants = Requant(node.gamma.view(np.uint16), node.shift)
    return param_blocks(node.beta, constants, None, layout, pn).reshape(-1)


def position_segment(position: Ints, layout: Layout, pn: int) -> Bytes:
    """Initial residual, pn int16 per word, token by token."""
    rows = np.zeros((len(position), layout.words * pn), "<i2")
    rows[:, layout.positions] = position
    return rows.view(np.uint8).reshape(-1)
