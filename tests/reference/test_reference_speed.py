# SPDX-License-Identifier: Apache-2.0
"""The vectorized functions against their formulas in Python integers: every bit, every input type."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from peritus import reference as ref
from peritus.reference.tables import DELTA

Ints = npt.NDArray[np.int64]


def plain_rhu(value: int, shift: int) -> int:
    return value if shift == 0 else (value + (1 << (shift - 1))) >> shift


def plain_saturate(value: int, bits: int) -> int:
    return max(-(1 << (bits - 1)), min((1 << (bits - 1)) - 1, value))


def plain_gelu(y: int) -> int:
    x = plain_saturate(y, 16)
    return max(x, 0) - (int(DELTA[abs(x) >> 1]) if abs(x) < 1024 else 0)


def accumulators(rng: np.random.Generator, shape: tuple[int, int]) -> Ints:
    """27 bits, with the extremes and zero."""
    values = rng.integers(-(1 << 26), 1 << 26, shape)
    values.flat[:4] = (-(1 << 26), (1 << 26) - 1, 0, -1)
    return values


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.int32, np.int64, np.uint8])
def test_rhu_for_every_type_and_shift(dtype: type[np.integer[Any]]) -> None:
    limits = np.iinfo(dtype)
    high = min(int(limits.max), 1 << 61)
    values = np.array([max(int(limits.min), -(1 << 61)), high, 0, 1, high // 3], dtype)
    for shift in range(64):
        expected = [plain_rhu(int(v), shift) for v in values]
        assert ref.rhu(values, shift).tolist() == expected
        assert ref.rhu(values, np.full(5, shift, np.uint8)).tolist() == expected
        assert [int(ref.rhu(np.asarray(v), shift)) for v in values] == expected


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.int64, np.uint16])
def test_saturate_for_every_type(dtype: type[np.integer[Any]]) -> None:
    limits = np.iinfo(dtype)
    values = np.array([limits.min, limits.max, 0, 100], dtype)
    before = values.copy()
    for bits in (8, 16, 24):
        found = ref.saturate(values, bits)
        assert found.dtype == np.int64
        assert found.tolist() == [plain_saturate(int(v), bits) for v in values]
    assert np.array_equal(values, before)


def test_requantize_and_rescale() -> None:
    rng = np.random.default_rng(0)
    acc = accumulators(rng, (7, 48))
    bias = rng.integers(-1000, 1000, 48).astype(np.int32)
    acc -= bias
    before = acc.copy()
    multiplier = rng.integers(1 << 15, 1 << 16, 48).astype(np.uint16)
    shift = np.arange(48).clip(1, 47).astype(np.uint8)
    found, second = ref.requantize(acc, bias, multiplier, shift), ref.rescale(acc, multiplier, shift)
    assert np.array_equal(acc, before)
    for row, channel in np.ndindex(acc.shape):
        a, m, s = int(acc[row, channel]), int(multiplier[channel]), int(shift[channel])
        assert found[row, channel] == plain_saturate(plain_rhu((a + int(bias[channel])) * m, s), 24)
        assert second[row, channel] == plain_rhu(a * m, s)
    assert int(ref.requantize(acc, 0, 40000, 20)[0, 0]) == plain_saturate(
        plain_rhu(int(acc[0, 0]) * 40000, 20), 24
    )


def test_gelu_everywhere() -> None:
    y = np.concatenate((np.arange(-32768, 32768), [-(1 << 23), (1 << 23) - 1, 32768, -32769]))
    assert ref.gelu(y).tolist() == [plain_gelu(int(v)) for v in y]


def test_probabilities_and_residual() -> None:
    rng = np.random.default_rng(1)
    scores = rng.integers(-32768, 32768, (5, 9)).astype(np.int16)
    scores[0] = (-32768, 32767, 0, 0, 0, 0, 0, 0, 0)  # the difference needs 17 bits
    assert ref.row_maximum(scores).tolist() == [[int(row.max())] for row in scores]
    difference = np.array([[int(row.max()) - int(s) for s in row] for row in scores])
    p = ref.probabilities(scores, ref.row_maximum(scores))
    assert p[0].tolist() == [0, 255, 0, 0, 0, 0, 0, 0, 0]
    assert np.array_equal(p > 0, difference < 16 * 9)  # 255 * 2^-9 is just below one half
    total = ref.residual_accumulate(np.array([[32767]], np.int16), np.array([[40000]]))
    assert total.tolist() == [[65534]]


@pytest.mark.parametrize("types", [(np.int8, np.int8), (np.int64, np.int8), (np.uint8, np.int64)])
def test_matmul_of_every_type(types: tuple[type[np.integer[Any]], type[np.integer[Any]]]) -> None:
    """Single bytes are not measured but bounded by their type: longer sums take a wider float."""
    low, high = -128, 127
    for k in (1, 1023, 1025, 5000):
        x = np.full((2, k), 255 if types[0] is np.uint8 else low).astype(types[0])
        w = np.full((k, 2), low).astype(types[1])
        w[:, 1] = high
        expected = [[int(x[0, 0]) * low * k, int(x[0, 0]) * high * k]] * 2
        assert ref.matmul(x, w).tolist() == expected
