# SPDX-License-Identifier: Apache-2.0
"""Zynq boards with PYNQ."""
