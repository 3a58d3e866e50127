# SPDX-License-Identifier: Apache-2.0
"""The root of every error that the package raises on purpose."""


class PeritusError(Exception):
    """Bad input or a failed device; the message names the value and the limit."""
