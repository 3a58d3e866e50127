# SPDX-License-Identifier: Apache-2.0
"""Cycle-by-cycle access for benches of ready/valid blocks.

A bench drives inputs, calls `settle()`, reads outputs (which then show what the coming rising edge will see,
combinational paths included), and calls `step()` to pass that edge.
"""

import random
from typing import Any

from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, Timer

RESET_CYCLES = 4


class Cycles:
    """Clock, reset and the two halves of a cycle of `dut`; counts cycles and stops a bench that hangs."""

    def __init__(self, dut: Any, *, limit: int = 200_000) -> None:
        self.dut = dut
        self.limit = limit
        self.count = 0

    async def reset(self, **idle: int) -> None:
        """Start the clock, set the given inputs, and leave with reset released at a falling edge."""
        Clock(self.dut.clk_i, 10, unit="ns").start()
        for name, value in idle.items():
            getattr(self.dut, name).value = value
        if hasattr(self.dut, "rst_ni"):
            self.dut.rst_ni.value = 0
        for _ in range(RESET_CYCLES):
            await FallingEdge(self.dut.clk_i)
        if hasattr(self.dut, "rst_ni"):
            self.dut.rst_ni.value = 1

    async def settle(self) -> None:
        """Let inputs take effect."""
        await Timer(2, "ns")

    async def step(self) -> None:
        """Pass the rising edge; TimeoutError after `limit` cycles."""
        self.count += 1
        if self.count > self.limit:
            raise TimeoutError(f"{self.dut._name}: bench not finished after {self.limit} cycles")
        await FallingEdge(self.dut.clk_i)

    def get(self, name: str) -> int:
        """Value of a port, packed arrays as one number."""
        return int(getattr(self.dut, name).value)

    def set(self, **values: int) -> None:
        for name, value in values.items():
            getattr(self.dut, name).value = value


def chance(probability: float) -> bool:
    return random.random() < probability
