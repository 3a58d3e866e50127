# SPDX-License-Identifier: Apache-2.0
"""The accelerator as a packaged IP: the names that a Vivado project, the driver and the .hwh agree on.

Read by the board builds, which package and place the IP, by peritus.codegen.hwh and by the driver. The ports
are those of rtl/peritus_top.sv; interfaces are called by the prefix that their ports share.
"""

from __future__ import annotations

from dataclasses import dataclass

from peritus.arch.config import ABI_VERSION, HwConfig

VENDOR = "peritus"
LIBRARY = "ip"
NAME = "peritus_top"
VERSION = f"{ABI_VERSION}.0"
VLNV = f"{VENDOR}:{LIBRARY}:{NAME}:{VERSION}"

# Of the block design: the cell, and where the processor sees its registers (M_AXI_HPM0_FPD of the Zynq).
INSTANCE = "peritus_0"
REGISTER_BASE = 0xA000_0000
REGISTER_BYTES = 0x1000

# PYNQ finds only interrupts that reach the processor through an AXI interrupt controller (level output to
# pl_ps_irq0[0], which PYNQ's images offer as the UIO device "fabric").
CONTROLLER_VLNV = "xilinx.com:ip:axi_intc:4.1"
CONTROLLER = "axi_intc_0"
CONTROLLER_BASE = 0xA001_0000
CONTROLLER_BYTES = 0x1000

CLOCK = "aclk"
FAST_CLOCK = "aclk2x"  # of twice the frequency and with the same edges, where dsp_ratio is 2
RESET = "aresetn"  # synchronous, active low
INTERRUPT = "irq_o"  # level, active high; input 0 of the interrupt controller
REGISTERS = "s_axil"  # AXI4-Lite, 32 bits


def bitstream_name(hw: HwConfig) -> str:
    """File name of a configuration's bitstream; its .hwh and its bundles lie beside it."""
    return f"peritus_{hw.name}.bit"


@dataclass(frozen=True)
class MemoryPort:
    """An AXI4 master: its interface name, data width in bits, and whether it writes (all of them read)."""

    name: str
    data_bits: int
    writes: bool


def memory_ports(hw: HwConfig) -> tuple[MemoryPort, ...]:
    """The masters that a configuration uses; peritus_top ties off the others."""
    return tuple(
        MemoryPort(f"m{port:02d}_axi", 8 * hw.axi_data_bytes, writes=port == 0)
        for port in range(hw.axi_ports)
    )
