# SPDX-License-Identifier: Apache-2.0
"""Host side of the accelerator: registers, jobs, interrupts and buffers, the same on a board and in simulation."""
