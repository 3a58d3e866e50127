# SPDX-License-Identifier: Apache-2.0
"""FINN's own RTL nodes on Verilator: every value as FINN's definition of them, cycles as FINN expects."""

import re
from pathlib import Path

import numpy as np
import pytest

from peritus.finn.verilator.rewrite import RULES, Rule
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


@pytest.mark.parametrize("mode", ["internal_embedded", "internal_decoupled"])
@pytest.mark.parametrize("kind", ["INT8", "UINT8"])
def test_requant(finn: Path, mode: str, kind: str) -> None:
    """Scales and biases in the logic, which FINN's Verilog works out of floats, or in a memory."""
    rng = np.random.default_rng(3)
    scale = rng.uniform(0.004, 0.03, 16) * rng.choice([1, 1, -1], 16)
    scale = scale.round(6).astype(np.float32)  # as many digits as FINN writes into Verilog
    bias = (rng.integers(-400, 400, 16) / 64).astype(np.float32)
    x = rng.integers(-(1 << 15), 1 << 15, (1, TOKENS, 16))
    x[0, :3] = np.array([[-(1 << 15)], [(1 << 15) - 1], [0]])
    model = model_of(
        "Requant",
        [("x", x.shape, "INT16")],
        [("y", x.shape, kind)],
        {"scale": (scale, "FLOAT32"), "bias": (bias, "FLOAT32")},
        NumChannels=16,
        PE=4,
        numInputVectors=[1, TOKENS],
        inputDataType="INT16",
        outputDataType=kind,
    )
    node = the_node(model)
    assert node.onnx_node.op_type == "Requant_rtl"
    node.set_nodeattr("mem_mode", mode)
    found, node = simulate(model, {"x": x})
    low, high = (-128, 127) if kind == "INT8" else (0, 255)
    exact = np.floor(x * scale.astype(np.float64) + bias + 0.5)  # 40 bits and 6 behind the point: exact
    assert np.count_nonzero(found["y"] != exact.clip(low, high)) == 0
    assert len(np.unique(found["y"])) > 200
    check_cycles(node)


@pytest.mark.parametrize(("rows", "columns", "simd"), [(16, 4, 4), (64, 48, 8), (12, 32, 3), (10, 6, 1)])
def test_shuffle(finn: Path, rows: int, columns: int, simd: int) -> None:
    """FINN's transposition in RTL, frame after frame."""
    shape = (20, rows, columns)
    x = np.random.default_rng(4).integers(-128, 128, shape)
    attributes = {"in_shape": shape, "transpose_in_shape": shape, "data_type": "INT8", "SIMD": simd}
    model = model_of(
        "InnerShuffle", [("x", shape, "INT8")], [("y", (20, columns, rows), "INT8")], **attributes
    )
    assert the_node(model).onnx_node.op_type == "InnerShuffle_rtl"
    found, node = simulate(model, {"x": x})
    assert np.count_nonzero(found["y"] != x.swapaxes(1, 2)) == 0
    check_cycles(node, 0.01)


@pytest.mark.parametrize("parallel", [0, 1])
def test_sliding_window(finn: Path, parallel: int) -> None:
    """FINN's windows of a convolution, 3 x 3 with stride 2, one position a beat or all nine."""
    rows, columns, channels, kernel, stride = 33, 65, 4, 3, 2
    x = np.random.default_rng(6).integers(-128, 128, (1, rows, columns, channels))
    windows = np.lib.stride_tricks.sliding_window_view(x, (kernel, kernel), (1, 2))[:, ::stride, ::stride]
    expected = windows.transpose(0, 1, 2, 4, 5, 3).reshape(*windows.shape[:3], -1)
    model = model_of(
        "ConvolutionInputGenerator",
        [("x", x.shape, "INT8")],
        [("y", expected.shape, "INT8")],
        ConvKernelDim=[kernel] * 2,
        IFMChannels=channels,
        IFMDim=[rows, columns],
        OFMDim=list(expected.shape[1:3]),
        SIMD=channels,
        Stride=[stride] * 2,
        Dilation=[1, 1],
        inputDataType="INT8",
        outputDataType="INT8",
        parallel_window=parallel,
    )
    assert the_node(model).onnx_node.op_type == "ConvolutionInputGenerator_rtl"
    found, node = simulate(model, {"x": x})
    assert np.count_nonzero(found["y"] != expected) == 0
    check_cycles(node)


@pytest.mark.parametrize("depth", [4, 100, 600, 5000])
def test_fifo(finn: Path, depth: int) -> None:
    """Of each kind that FINN makes: shift registers, memories of LUTs, block and ultra RAM."""
    x = np.random.default_rng(5).integers(0, 256, (1, 8000, 4))
    model = model_of(
        "StreamingFIFO",
        [("x", x.shape, "UINT8")],
        [("y", x.shape, "UINT8")],
        depth=depth,
        folded_shape=[1, 8000, 1, 4],
        normal_shape=[1, 8000, 4],
        dataType="UINT8",
    )
    found, _ = simulate(model, {"x": x})
    assert np.count_nonzero(found["y"] != x) == 0


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.file + rule.pattern[:20])
def test_a_rule_has_something_to_say(finn: Path, rule: Rule) -> None:
    """None is left when FINN no longer needs it."""
    from finn.util.settings import get_settings

    library = Path(get_settings().finn_rtllib)
    texts = [p.read_text() for p in library.rglob("*.sv") if re.fullmatch(rule.file, p.name)]
    texts += [p.read_text() for p in library.rglob("requant_wrapper_template.sv") if "_impl" in rule.file]
    assert any(re.search(rule.pattern, text) for text in texts)
