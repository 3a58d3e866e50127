# SPDX-License-Identifier: Apache-2.0
"""The integer arithmetic against exact or float mathematics, at every value where that is possible."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from peritus import reference as ref
from peritus.reference import tables


def normal_cdf(x: float) -> float:
    return math.erfc(-x / math.sqrt(2)) / 2


@pytest.mark.parametrize(
    ("entry", "table"),
    [
        (tables.exp_entry, tables.EXP),
        (tables.exp2_entry, tables.EXP2),
        (tables.delta_entry, tables.DELTA),
        (tables.reciprocal_entry, tables.RECIPROCAL),
        (tables.rsqrt_entry, tables.RSQRT),
    ],
)
def test_no_table_entry_is_near_a_rounding_tie(entry, table) -> None:
    values = np.array([entry(i) for i in range(len(table))])
    values = values[values != 127.5]  # exact in floating point
    assert np.abs(values - np.floor(values) - 0.5).min() > 1e-6
    assert tables.EXP[16] == 128


def test_rhu_is_floor_of_value_plus_half() -> None:
    values = np.concatenate([np.arange(-300, 300), np.array([-(1 << 43), (1 << 43) - 1])])
    assert ref.rhu(values, 0).tolist() == values.tolist()
    for shift in (1, 2, 5, 47, 63):
        expected = [math.floor(Fraction(int(v), 1 << shift) + Fraction(1, 2)) for v in values]
        assert ref.rhu(values, shift).tolist() == expected


def test_requantize_rounds_then_saturates_to_24_bits() -> None:
    acc = np.array([[5, -5, (1 << 26) - 1, -(1 << 26)]])
    assert ref.requantize(acc, 0, 1 << 15, 16).tolist() == [[3, -2, (1 << 23) - 1, -(1 << 23)]]
    assert ref.requantize(acc, 1, np.array([0, 1 << 15, 1 << 15, 1 << 15]), 47)[0, 0] == 0


def test_gelu_is_within_one_lsb_of_the_exact_function_everywhere() -> None:
    x = np.arange(-(1 << 15), 1 << 15)
    exact = np.array([v * normal_cdf(v / 256) for v in x])
    assert np.abs(ref.gelu(x) - exact).max() < 1
    assert ref.gelu(np.array([1 << 22, -(1 << 22)])).tolist() == [32767, 0]


def test_reciprocal_relative_error() -> None:
    value = np.unique(np.concatenate([np.arange(1, 1 << 17), (1 << 24) - np.arange(1, 1 << 10)]))
    r, shift = ref.reciprocal(value)
    assert r.min() >= 1 << 15 and r.max() <= 65535
    assert np.abs(r * value / 2.0**shift - 1).max() < 2**-14


def test_rsqrt_relative_error() -> None:
    rng = np.random.default_rng(0)
    value = np.unique(
        np.concatenate([np.arange(1, 1 << 17), (2 ** (48 * rng.random(100_000))).astype(np.int64)])
    )
    value = value[(value >= 1) & (value < 1 << 48)]
    r, half = ref.rsqrt(value)
    assert r.min() >= 1 << 15 and r.max() <= 65535
    assert np.abs(r * np.sqrt(value) / 2.0 ** (16 + half) - 1).max() < 2**-14


def test_layernorm_against_float() -> None:
    rng = np.random.default_rng(1)
    x = np.round(rng.normal(100, 900, (20, 192))).astype(np.int64)
    gamma, beta, shift = np.full(192, 1 << 13), np.full(192, 3 << 19), np.full(192, 18)
    got = ref.layernorm(x, gamma, beta, shift, 40)
    normalized = (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + 40 / 192**2)
    assert np.abs(got - np.clip(normalized * 32 + 6, -128, 127)).max() < 0.6


def test_layernorm_of_a_constant_token_is_beta() -> None:
    x = np.full((1, 64), -32768)
    out = ref.layernorm(x, np.full(64, 32767), np.full(64, 5 << 10), np.full(64, 10), 0)
    assert (out == 5).all()


def test_softmax_numerators() -> None:
    scores = np.array([[100, 84, 100 - 16 * 8, -32768], [-32768, -32768, -32768, 32767]])
    p = ref.probabilities(scores, ref.row_maximum(scores))
    assert p.tolist() == [[255, 128, 1, 0], [0, 0, 0, 255]]


@pytest.mark.parametrize(("keys", "deviation"), [(9, 3.0), (129, 3.0), (129, 0.3), (1000, 1.0), (2, 12.0)])
def test_softmax_error_bound(keys: int, deviation: float) -> None:
    """The bound of docs/numerics.md, for every probability: with p exact, q softmax of the rounded scores,

    |q - p| <= (2^(1/16) - 1) p   and   |P / sum(P) - q| <= (1 + (keys - 1) q) / (2 sum(P)).
    """
    rng = np.random.default_rng(2)
    octaves = rng.normal(0, deviation, (200, keys))
    scores = np.floor(octaves * 16 + 0.5).astype(np.int64)
    exact = 2.0**octaves / (2.0**octaves).sum(1, keepdims=True)
    rounded = 2.0 ** (scores / 16) / (2.0 ** (scores / 16)).sum(1, keepdims=True)
    assert (np.abs(rounded - exact) <= (2 ** (1 / 16) - 1) * exact).all()
    numerators = ref.probabilities(scores, ref.row_maximum(scores))
    total = numerators.sum(1, keepdims=True)
    bound = (1 + (keys - 1) * rounded) / (2 * total)
    error = np.abs(numerators / total - rounded)
    assert (error <= bound * (1 + 1e-9)).all()
    assert error.max() > 0.2 * bound.min()  # the bound is no idle one


@pytest.mark.parametrize("k", [1, 2, 4])
def test_route_matches_a_plain_loop(k: int) -> None:
    rng = np.random.default_rng(3)
    logits = rng.integers(-600, 600, (300, 8))
    logits[::3] = logits[::3] // 400  # many ties
    routing = ref.route(logits, k)
    for row, experts in zip(logits, routing.experts, strict=True):
        assert experts.tolist() == sorted(range(8), key=lambda e: (-row[e], e))[:k]
    soft = 2.0 ** (logits / 256)
    soft /= soft.sum(1, keepdims=True)
    exact = np.take_along_axis(soft, routing.experts, 1) * 32768
    assert np.abs(routing.scores - exact).max() < 4


def test_route_extremes() -> None:
    routing = ref.route(np.array([[-32768, 32767], [7, 7]]), 2)
    assert routing.experts.tolist() == [[1, 0], [0, 1]]
    assert routing.scores.tolist() == [[32768, 0], [16384, 16384]]


def test_queue_lists_tokens_in_order() -> None:
    routing = ref.route(np.array([[5, 0, 9], [9, 5, 0], [0, 0, 0]]), 2)
    tokens, scores = routing.queue(0)
    assert tokens.tolist() == [0, 1, 2] and len(scores) == 3
    assert ref.route(np.array([[1, 0, 0]]), 1).queue(2)[0].tolist() == []


@pytest.mark.parametrize(
    ("k", "peak"), [(8, 127), (1032, 127), (1033, 127), (4096, 127), (64, 1 << 25), (3, 1 << 40)]
)
def test_matmul_is_exact(k: int, peak: int) -> None:
    rng = np.random.default_rng(4)
    x, w = rng.integers(-peak, peak + 1, (5, k)), rng.integers(-127, 128, (k, 3))
    x[0], w[:, 0] = peak, 127
    assert ref.matmul(x, w).tolist() == (x.astype(object) @ w.astype(object)).tolist()


def test_residual_saturation() -> None:
    assert ref.residual_add(np.array([40000, -5]), np.array([100, 70000])).tolist() == [32767, 32762]
    assert ref.residual_accumulate(np.array([32767, 0]), np.array([70000, -5])).tolist() == [65534, -5]


def test_image_patches_order() -> None:
    image = np.arange(4 * 4 * 3).reshape(4, 4, 3)
    rows = ref.image_patches(image, 2) + 128
    assert rows[1].tolist() == image[0:2, 2:4].reshape(-1).tolist()


def test_pixel_shuffle_order() -> None:
    logits = np.arange(6 * 4 * 2).reshape(6, 8)
    maps = ref.pixel_shuffle(logits, 2, 3, 2)
    assert maps.shape == (4, 6, 2)
    assert maps[3, 4].tolist() == logits[1 * 3 + 2, (1 * 2 + 0) * 2 :][:2].tolist()


def test_attention_is_softmax_attention() -> None:
    rng = np.random.default_rng(5)
    q, k, v = (rng.integers(-127, 128, (30, 16)) for _ in range(3))
    m, s = np.array([40000, 40000]), np.array([22, 22])
    out = ref.attention(q, k, v, m, s, np.full(16, 32768), np.full(16, 15), 0)
    for head in range(2):
        c = slice(8 * head, 8 * head + 8)
        weights = 2.0 ** (np.floor(q[:, c] @ k[:, c].T * 40000 / 2**22 + 0.5) / 16)
        exact = (weights / weights.sum(1, keepdims=True)) @ v[:, c]
        assert np.abs(out[:, c] - exact).max() < 2
