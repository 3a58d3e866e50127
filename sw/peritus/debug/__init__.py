# SPDX-License-Identifier: Apache-2.0
"""Finding where the RTL departs from the instruction set simulator."""
