# SPDX-License-Identifier: Apache-2.0
"""HLS kernels under C simulation equal the reference, bit for bit. (Vitis itself is not run.)"""

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from peritus.arch.config import load_config
from peritus.arch.isa import Function
from peritus.eda.csim import csim_library
from peritus.eda.errors import BuildError, ToolNotFound
from peritus.reference import ACTIVATIONS
from peritus.reference.arithmetic import saturate
from peritus.reference.requantize import requantize, rescale

pytestmark = pytest.mark.hls

I32 = npt.NDArray[np.int32]
ACC_BITS = 27
Y_BITS = 24


class Kernels:
    """The C interface with arrays: every matrix int32 [rows][lanes]."""

    def __init__(self, hw: str) -> None:
        self._library = ctypes.CDLL(str(csim_library(load_config(hw))))
        self.lanes = int(self._library.peritus_csim_lanes())

    def _call(self, name: str, x: I32, *arguments: Any) -> I32:
        assert x.dtype == np.int32 and x.flags.c_contiguous and x.shape[1] == self.lanes
        out = np.full_like(x, 0x5A5A5A5A)

        def pointer(array: npt.NDArray[Any]) -> ctypes.c_void_p:
            return array.ctypes.data_as(ctypes.c_void_p)

        converted = [pointer(a) if isinstance(a, np.ndarray) else a for a in arguments]
        kernel: Callable[..., int] = getattr(self._library, f"peritus_csim_{name}")
        assert kernel(ctypes.c_int64(len(x)), pointer(x), *converted, pointer(out)) == 0, (
            "words left in a stream"
        )
        return out

    def stage1(self, acc: I32, bias: I32, multiplier: I32, shift: I32) -> I32:
        return self._call("stage1", acc, bias, multiplier.astype(np.uint16), shift.astype(np.uint8))

    def stage2(self, g: I32, multiplier: I32, shift: I32) -> I32:
        return self._call("stage2", g, multiplier.astype(np.uint16), shift.astype(np.uint8))

    def activation(self, y: I32, function: Function) -> I32:
        return self._call("activation", y, ctypes.c_int(function))


@pytest.fixture(scope="module", params=["nano", "zcu104"])
def kernels(request: pytest.FixtureRequest) -> Kernels:
    return Kernels(request.param)


def test_kernels_have_the_lanes_of_the_configuration() -> None:
    assert Kernels("edge").lanes == load_config("edge").pn


def values(bits: int, shift: int, rng: np.random.Generator, rows: int, lanes: int) -> I32:
    """Signed integers of `bits` bits: extremes, ties of rounding by `shift` and their neighbours, random."""
    low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    ties = (np.arange(-40, 40)[:, None] * (1 << shift) + (1 << shift >> 1) + np.array([-1, 0, 1])).ravel()
    corners = np.array([low, low + 1, -2, -1, 0, 1, 2, high - 1, high, *ties.tolist()])
    corners = corners[(low <= corners) & (corners <= high)]
    x = rng.integers(low, high + 1, size=(rows, lanes))
    # All magnitudes, not only large ones.
    x >>= rng.integers(0, bits, size=(rows, lanes))
    x.flat[: corners.size] = corners[: x.size]
    return x.astype(np.int32)


@pytest.mark.parametrize("shift", range(1, 64))
def test_stage1(kernels: Kernels, shift: int) -> None:
    rng = np.random.default_rng(shift)
    bias = rng.integers(-(1 << 25), 1 << 25, size=kernels.lanes).astype(np.int32)
    multiplier = rng.integers(1 << 15, 1 << 16, size=kernels.lanes).astype(np.int32)
    bias[:3], multiplier[:3] = 0, (1 << 15, 65535, 0)
    biased = values(ACC_BITS, max(0, shift - 15), rng, 300, kernels.lanes)
    acc = (
        biased - bias
    )  # may leave the accumulator's range where the biased sum does not: then it is replaced
    outside = np.abs(acc.astype(np.int64)) >= 1 << (ACC_BITS - 1)
    acc[outside] = 0
    y = kernels.stage1(acc, bias, multiplier, np.full(kernels.lanes, shift))
    np.testing.assert_array_equal(y, requantize(acc, bias, multiplier, shift))


@pytest.mark.parametrize("shift", range(1, 64))
def test_stage2(kernels: Kernels, shift: int) -> None:
    rng = np.random.default_rng(100 + shift)
    multiplier = rng.integers(0, 1 << 16, size=kernels.lanes).astype(np.int32)
    multiplier[:4] = (1 << 15, 65535, 0, 1)
    g = values(Y_BITS, max(0, shift - 15), rng, 300, kernels.lanes)
    z = kernels.stage2(g, multiplier, np.full(kernels.lanes, shift))
    np.testing.assert_array_equal(z, saturate(rescale(g, multiplier, shift), 16))


def test_each_lane_has_its_own_parameters(kernels: Kernels) -> None:
    rng = np.random.default_rng(7)
    for rows in (1, load_config("nano").acc_depth, 1000):  # one token, one full pass, several passes
        bias = rng.integers(-(1 << 20), 1 << 20, size=kernels.lanes).astype(np.int32)
        multiplier = rng.integers(1 << 15, 1 << 16, size=kernels.lanes).astype(np.int32)
        shift = rng.integers(1, 48, size=kernels.lanes).astype(np.int32)
        acc = rng.integers(-(1 << 24), 1 << 24, size=(rows, kernels.lanes)).astype(np.int32)
        y = kernels.stage1(acc, bias, multiplier, shift)
        np.testing.assert_array_equal(y, requantize(acc, bias, multiplier, shift))


def test_multiplier_one_without_shift_passes_the_value(kernels: Kernels) -> None:
    """Stage 2 without a scale, as the RTL has it; the reference leaves stage 2 out."""
    g = values(Y_BITS, 0, np.random.default_rng(8), 300, kernels.lanes)
    lanes = kernels.lanes
    z = kernels.stage2(g, np.ones(lanes, np.int32), np.zeros(lanes, np.int32))
    np.testing.assert_array_equal(z, saturate(g, 16))


@pytest.mark.parametrize("function", Function)
def test_activations_over_their_whole_input_range(kernels: Kernels, function: Function) -> None:
    y = np.arange(-(1 << (Y_BITS - 1)), 1 << (Y_BITS - 1), dtype=np.int32).reshape(-1, kernels.lanes)
    np.testing.assert_array_equal(kernels.activation(y, function), ACTIVATIONS[function.name.lower()](y))


def test_missing_headers_say_how_to_get_them(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    # In a cache of its own: where the library is already built, no header is asked for.
    with pytest.raises(ToolNotFound, match="hls4ml"):
        csim_library(load_config("nano"), cache_dir=tmp_path)


def test_compiler_errors_carry_the_log(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("peritus.eda.csim.FLAGS", ("--no-such-option",))
    with pytest.raises(BuildError, match="no-such-option"):
        csim_library(load_config("nano"), cache_dir=tmp_path)
