# SPDX-License-Identifier: Apache-2.0
"""Synthesis by Yosys: area, logic depth, checks, and the estimate for an UltraScale+ device."""
