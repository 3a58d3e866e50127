# SPDX-License-Identifier: Apache-2.0
"""What is written from peritus.arch: SystemVerilog packages, C++ headers, registers, tables of the docs."""
