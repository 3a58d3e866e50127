# SPDX-License-Identifier: Apache-2.0
"""From exchange formats to the integer graph."""
