# SPDX-License-Identifier: Apache-2.0
"""FINN's own RTL nodes on Verilator: every value as FINN's definition of them, cycles as FINN expects."""

from pathlib import Path

import numpy as np
import pytest

from peritus.eda.errors import BuildError
from tests.finn.one_node import built, check_cycles, model_of, simulate, the_node

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


REFUSED = {
    "Requant": (
        {
            "NumChannels": 16,
            "PE": 4,
            "numInputVectors": [1, 4],
            "inputDataType": "INT16",
            "outputDataType": "INT8",
        },
        "INT16",
        (1, 4, 16),
        r"requant\.sv.* can't determine constant for FUNCREF 'derive_MUL_WIDTHS'",
    ),
    "InnerShuffle": (
        {"in_shape": [1, 4, 16], "transpose_in_shape": [1, 4, 16], "data_type": "INT8", "SIMD": 4},
        "INT8",
        (1, 16, 4),
        r"skid\.sv.* Missing arguments for \$display-like format",
    ),
}


@pytest.mark.parametrize("op", REFUSED)
def test_what_verilator_refuses(finn: Path, op: str) -> None:
    """A constant function over a struct; an $error with a place for a number and none given."""
    attributes, kind, shape, message = REFUSED[op]
    ones = np.ones(16)
    weights = {"scale": (ones, "FLOAT32"), "bias": (ones, "FLOAT32")} if op == "Requant" else {}
    model = model_of(op, [("x", (1, 4, 16), kind)], [("y", shape, "INT8")], weights, **attributes)
    with pytest.raises(BuildError, match=message):
        built(model)
