# SPDX-License-Identifier: Apache-2.0
"""The HLS twin as an IP: the names that Vitis HLS gives by its rules (UG1399) and we by ours.

Read by the Vitis and Vivado projects and by the driver of its control map.
"""

from __future__ import annotations

from peritus.arch import ip

TOP = "peritus_top"  # the function of hls/src/peritus_top.cpp
NAME = "peritus_hls"
VLNV = f"{ip.VENDOR}:{ip.LIBRARY}:{NAME}:{ip.VERSION}"
PROJECT, SOLUTION = "peritus_hls", "solution"
EXPORTED = f"{PROJECT}/{SOLUTION}/impl/ip"  # where export_design puts it, from the project's folder
# What it says of its control map (peritus.runtime.hls.control_map), below EXPORTED.
HEADER = f"drivers/{NAME}_v{ip.VERSION.replace('.', '_')}/src/x{TOP}_hw.h"

# Of the block design: the cell, and where the processor sees its control map.
INSTANCE = "peritus_hls_0"
REGISTERS = "s_axi_control"
REGISTER_BASE = 0xA002_0000
REGISTER_BYTES = 0x1_0000
CLOCK = "ap_clk"
RESET = "ap_rst_n"
MASTERS = ("m_axi_control", "m_axi_weights")  # by the bundles of the pragmas
