# SPDX-License-Identifier: Apache-2.0
"""mac_equivalence.sv checks itself: both forms of mac agree in every cycle, and every product is right."""

from typing import Any

import cocotb
from cocotb.triggers import ClockCycles, FallingEdge, Timer

LIMIT = 200_000


async def clocks(dut: Any) -> None:
    """clk_i, and clk2x of twice its frequency: together they rise, four quarters of a period."""
    while True:
        for value in (0b11, 0b01, 0b10, 0b00):
            dut.clocks_i.value = value
            await Timer(3, unit="ns")


@cocotb.test()
async def all_weights_all_operands_then_anything(dut: Any) -> None:
    cocotb.start_soon(clocks(dut))
    dut.rst_ni.value = 0
    await ClockCycles(dut.clk_i, 8)
    await FallingEdge(dut.clk_i)
    dut.rst_ni.value = 1
    for _ in range(LIMIT // 5_000):
        await ClockCycles(dut.clk_i, 5_000)
        if dut.done_o.value:
            break
    assert dut.done_o.value, f"not through after {LIMIT} cycles"
    cycles, products = int(dut.cycles_o.value), int(dut.products_o.value)
    dut._log.info("%d cycles compared, %d products checked", cycles, products)
    assert cycles > 80_000
    assert products > 2 * (255 * 255 * 16 + 25 * 384 * 8)
    assert int(dut.wrong_o.value) == 0, "products differ from integer arithmetic"
    assert int(dut.differences_o.value) == 0, "the DSP48E2 form differs from the behaviour"
