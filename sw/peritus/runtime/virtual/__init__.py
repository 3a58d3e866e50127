# SPDX-License-Identifier: Apache-2.0
"""Boards that are simulated: the real driver on the simulated RTL, behind a PYNQ system or a serial line."""
