# SPDX-License-Identifier: Apache-2.0
"""FINN's own RTL nodes on Verilator: every value as FINN's definition of them, cycles as FINN expects."""

from pathlib import Path

import numpy as np
import pytest

from tests.finn.one_node import check_cycles, model_of, simulate, the_node

TOKENS = 256


@pytest.mark.parametrize(("weights", "peak", "kind"), [("INT8", 127, "INT8"), ("INT4", 7, "INT4")])
def test_matrix_vector_unit(finn: Path, weights: str, peak: int, kind: str) -> None:
    rng = np.random.default_rng(1)
    w = rng.integers(-peak, peak + 1, (32, 16))
    low = -128 if kind == "INT8" else -8
    x = rng.integers(low, -low, (1, TOKENS, 32))
    model = model_of(
        "MVAU",
        [("x", x.shape, kind)],
        [("y", (1, TOKENS, 16), "INT32")],
        {"w": (w, weights)},
        MW=32,
        MH=16,
        SIMD=8,
        PE=4,
        noActivation=1,
        numInputVectors=[1, TOKENS],
        inputDataType=kind,
        weightDataType=weights,
        outputDataType="INT32",
    )
    assert the_node(model).onnx_node.op_type == "MVAU_rtl"
    found, node = simulate(model, {"x": x})
    assert np.count_nonzero(found["y"] != x @ w) == 0
    check_cycles(node, 0.02)


def test_thresholding(finn: Path) -> None:
    rng = np.random.default_rng(2)
    thresholds = np.sort(rng.integers(-2000, 2000, (16, 15)), axis=1)
    x = rng.integers(-2048, 2048, (1, TOKENS, 16))
    model = model_of(
        "Thresholding",
        [("x", x.shape, "INT12")],
        [("y", x.shape, "INT4")],
        {"t": (thresholds, "INT12")},
        NumChannels=16,
        PE=4,
        numSteps=15,
        numInputVectors=[1, TOKENS],
        ActVal=-8,
        inputDataType="INT12",
        weightDataType="INT12",
        outputDataType="INT4",
    )
    found, node = simulate(model, {"x": x})
    expected = (x[..., None] >= thresholds).sum(axis=-1) - 8
    assert np.count_nonzero(found["y"] != expected) == 0
    check_cycles(node)


def test_inner_shuffle(finn: Path) -> None:
    rng = np.random.default_rng(3)
    x = rng.integers(-128, 128, (4, 16, 32))
    model = model_of(
        "InnerShuffle",
        [("x", x.shape, "INT8")],
        [("y", (4, 32, 16), "INT8")],
        in_shape=[4, 16, 32],
        transpose_in_shape=[4, 16, 32],
        data_type="INT8",
        SIMD=4,
    )
    found, node = simulate(model, {"x": x})
    assert np.array_equal(found["y"], x.transpose(0, 2, 1))
    check_cycles(node, 0.6)
