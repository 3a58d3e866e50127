# SPDX-License-Identifier: Apache-2.0
"""mac_equivalence.sv checks itself: both forms of mac agree in every cycle, and every product is right."""

from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import Timer

LIMIT = 1_000_000
CYCLE = 4 * 2  # time of one: quarter_i rises at every quarter of it


@cocotb.test()
async def all_weights_all_operands_then_anything(dut: Any) -> None:
    dut.rst_ni.value = 0
    Clock(dut.quarter_i, CYCLE // 4, unit="ns").start()
    await Timer(8 * CYCLE + CYCLE // 2, unit="ns")
    dut.rst_ni.value = 1
    for _ in range(LIMIT // 5_000):
        await Timer(5_000 * CYCLE, unit="ns")
        if dut.done_o.value:
            break
    assert dut.done_o.value, f"not through after {LIMIT} cycles"
    cycles, products = int(dut.cycles_o.value), int(dut.products_o.value)
    dut._log.info("%d cycles compared, %d products checked", cycles, products)
    assert cycles > 80_000
    assert products > 2 * (255 * 255 * 16 + 25 * 384 * 8)  # pairs, operands, rows
    assert int(dut.wrong_o.value) == 0, "products differ from integer arithmetic"
    assert int(dut.differences_o.value) == 0, "the DSP48E2 form differs from the behaviour"
