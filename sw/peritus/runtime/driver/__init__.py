# SPDX-License-Identifier: Apache-2.0
"""Host side of the accelerator: registers, jobs, interrupts, buffers. One for boards and simulation."""
