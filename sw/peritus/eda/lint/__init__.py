# SPDX-License-Identifier: Apache-2.0
"""Lint of the SystemVerilog: `python -m peritus.eda.lint`.

style.py      layout (verible-verilog-format), style rules (verible-verilog-lint), `default_nettype none`
verilator.py  verilator --lint-only -Wall
slang.py      slang with all warnings, but for those of slang_waivers.toml
"""
