# SPDX-License-Identifier: Apache-2.0
"""Drives a fixed-latency unit: vectors in under valid_i with random gaps, results out under valid_o.

Inputs are set and outputs read at the falling edge, half a cycle away from every register.
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from cocotb.clock import Clock
from cocotb.handle import ArrayObject, SimHandleBase
from cocotb.triggers import FallingEdge

Ints = npt.NDArray[np.int64]
DRAIN = 64  # cycles: more than any latency


class Port:
    """A port that is a number or an unpacked array of numbers; signed on request."""

    def __init__(self, dut: SimHandleBase, name: str, *, signed: bool = False) -> None:
        handle: Any = getattr(dut, name)
        self.elements = [handle[i] for i in handle.range] if isinstance(handle, ArrayObject) else [handle]
        self.signed = signed

    def write(self, values: Sequence[int] | Ints) -> None:
        for element, value in zip(self.elements, np.atleast_1d(values).tolist(), strict=True):
            element.value = value

    def read(self) -> list[int]:
        if self.signed:
            return [element.value.to_signed() for element in self.elements]
        return [int(element.value) for element in self.elements]


async def reset(dut: Any) -> None:
    """Start the clock; leave with reset released and valid_i low, at a falling edge."""
    Clock(dut.clk_i, 10, unit="ns").start()
    dut.rst_ni.value = 0
    if hasattr(dut, "valid_i"):
        dut.valid_i.value = 0
    for _ in range(4):
        await FallingEdge(dut.clk_i)
    dut.rst_ni.value = 1


async def run(
    dut: Any,
    inputs: Mapping[str, Ints],
    outputs: Mapping[str, Mapping[str, bool]],
    *,
    gap: float = 0.3,
) -> tuple[dict[str, Ints], dict[str, int]]:
    """Feed row v of every input as vector v, with an idle cycle of probability `gap` before each.

    inputs: port -> [vectors] or [vectors, lanes].
    outputs: valid signal -> {port read while it is high: is it signed}.
    Returns port -> [vectors, lanes] as read, and valid signal -> latency in cycles, which must be constant.
    """
    ports = {name: Port(dut, name) for name in inputs}
    watched = {
        valid: (getattr(dut, valid), {name: Port(dut, name, signed=signed) for name, signed in names.items()})
        for valid, names in outputs.items()
    }
    rows: dict[str, list[list[int]]] = {name: [] for names in outputs.values() for name in names}
    entered: list[int] = []
    left: dict[str, list[int]] = {valid: [] for valid in outputs}
    count = len(next(iter(inputs.values())))

    def schedule() -> Iterator[int | None]:
        for vector in range(count):
            while random.random() < gap:
                yield None
            yield vector
        yield from [None] * DRAIN

    for cycle, vector in enumerate(schedule()):
        dut.valid_i.value = vector is not None
        if vector is not None:
            entered.append(cycle)
            for name, port in ports.items():
                port.write(inputs[name][vector])
        else:
            for port in ports.values():  # nothing may depend on inputs without valid_i
                port.write([random.getrandbits(1)] * len(port.elements))
        await FallingEdge(dut.clk_i)
        for valid, (handle, names) in watched.items():
            if handle.value:
                left[valid].append(cycle + 1)
                for name, port in names.items():
                    rows[name].append(port.read())
    latency = {}
    for valid, cycles in left.items():
        assert len(cycles) == count, f"{valid}: {len(cycles)} results for {count} vectors"
        delays = set(np.subtract(cycles, entered).tolist())
        assert len(delays) == 1, f"{valid}: latency is not constant: {sorted(delays)}"
        latency[valid] = delays.pop()
    return {name: np.array(values, dtype=np.int64) for name, values in rows.items()}, latency


def corners(bits: int, *, signed: bool) -> list[int]:
    """Values at which integer hardware of this width tends to fail."""
    low, high = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)
    near = [v + d for v in (low, 0, high) for d in (-1, 0, 1)]
    powers = [s * (1 << i) + d for i in range(bits) for s in (1, -1) for d in (-1, 0, 1)]
    return sorted({v for v in near + powers if low <= v <= high})


def check_equal(name: str, got: Ints, expected: Ints) -> None:
    """Exact equality; the message names the first vector and lane that differ."""
    assert got.shape == expected.shape, f"{name}: shape {got.shape}, expected {expected.shape}"
    wrong = np.argwhere(got != expected)
    if len(wrong):
        first = tuple(wrong[0].tolist())
        what = f"{name}{list(first)} = {got[first]}, expected {expected[first]}"
        raise AssertionError(f"{what}; {len(wrong)} of {got.size} differ")
