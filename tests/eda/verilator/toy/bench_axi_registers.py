# SPDX-License-Identifier: Apache-2.0
"""cocotb bench of axi_registers.sv: random accesses by cocotbext-axi with random stalls."""

import itertools
import random

import cocotb
from cocotb.clock import Clock
from cocotb.handle import SimHandleBase
from cocotb.triggers import ClockCycles
from cocotbext.axi import AxiLiteBus, AxiLiteMaster

ACCESSES = 100


async def reset(dut: SimHandleBase) -> AxiLiteMaster:
    Clock(dut.clk_i, 10, unit="ns").start()
    dut.rst_ni.value = 0
    master = AxiLiteMaster(
        AxiLiteBus.from_prefix(dut, "s_axil"), dut.clk_i, dut.rst_ni, reset_active_level=False
    )
    await ClockCycles(dut.clk_i, 3)
    dut.rst_ni.value = 1
    return master


@cocotb.test()
async def random_accesses(dut: SimHandleBase) -> None:
    master = await reset(dut)
    for channel in (master.write_if.aw_channel, master.write_if.w_channel, master.read_if.ar_channel):
        channel.set_pause_generator(random.getrandbits(1) for _ in itertools.count())
    expected = bytearray(4 * int(cocotb.plusargs["registers"]))
    for _ in range(ACCESSES):
        address = random.randrange(len(expected))
        data = random.randbytes(random.randint(1, len(expected) - address))
        await master.write(address, data)
        expected[address : address + len(data)] = data
        assert (await master.read(0, len(expected))).data == expected


@cocotb.test()
async def wrong_on_demand(dut: SimHandleBase) -> None:
    master = await reset(dut)
    await master.write(0, b"\x01")
    wanted = 2 if "wrong" in cocotb.plusargs else 1
    assert (await master.read(0, 1)).data == bytes([wanted])


@cocotb.test()
async def endless_on_demand(dut: SimHandleBase) -> None:
    await reset(dut)
    await ClockCycles(dut.clk_i, 10**12 if "endless" in cocotb.plusargs else 1)
