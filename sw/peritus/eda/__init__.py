# SPDX-License-Identifier: Apache-2.0
"""Tools by folder: verilator/, yosys/, ecp5/ (nextpnr), vivado/. Shared by all: processes, cache, sources."""
