# SPDX-License-Identifier: Apache-2.0
"""Packs constants into segments of the weight stream, in the order in which the hardware consumes them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from peritus.compiler.layout import Layout
from peritus.ir.ops import Affine, LayerNorm, Requant
from peritus.reference.arithmetic import Ints

Bytes = npt.NDArray[np.uint8]


def _spread(values: Ints, layout: Layout, pn: int, dtype: str, padding: int) -> npt.NDArray[np.int64]:
    """Per-channel values to lanes, as an array [words, pn] of little-endian `dtype`."""
    lanes = np.full(layout.words * pn, padding, dtype=dtype)
    lanes[layout.positions] = values
    return lanes.reshape(layout.words, pn)


def param_blocks(bias: Ints, stage1: Requant, stage2: Requant | None, layout: Layout, pn: int) -> Bytes:
    """Parameter blocks [words, 10 pn]: bias int32, m1 uint16, m2 uint16, s1 uint8, s2 uint8, pn lanes each.

    Padding lanes have bias 0 and multiplier 0, so that they compute 0.
    """
    zeros = np.zeros(len(layout.positions), np.int64)
    m2, s2 = (stage2.multiplier, stage2.shift) if stage2 else (zeros, zeros + 1)
    columns = [
        _spread(bias, layout, pn, "<i4", 0),
        _spread(stage1.multiplier, layout, pn, "<u2", 0),
        _spread(m2, layout, pn, "<u2", 0),
        _spread(stage1.shift, layout, pn, "u1", 1),
        _spread(s2, layout, pn, "u1", 1),
    ]
    return np.concatenate([column.view(np.uint8) for column in columns], axis=1)


def affine_segment(
    affine: Affine, stage2: Requant | None, inputs: Layout, outputs: Layout, pk: int, pn: int
) -> Bytes:
    """For each output word: tiles of all input slices, the parameter block just before the last tile.

    A tile holds pk rows (input channels) of pn bytes (output channels).
    """
    slices = inputs.tiles(pk)
    # One axis after the other, so that NumPy copies whole rows: element by element is five times slower.
    lanes = np.zeros((outputs.words * pn, affine.weight.shape[1]), np.int8)
    lanes[outputs.positions] = affine.weight
    rows = np.zeros((slices * pk, outputs.words * pn), np.int8)
    rows[inputs.positions] = lanes.T
    tiles = rows.view(np.uint8).reshape(slices * pk, outputs.words, pn).transpose(1, 0, 2)
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
