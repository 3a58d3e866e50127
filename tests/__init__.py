# SPDX-License-Identifier: Apache-2.0
"""A package, so that an installed distribution with a `tests` of its own (PYNQ) does not hide it."""
