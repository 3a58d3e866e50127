# SPDX-License-Identifier: Apache-2.0
"""Python's reader of TOML; of a package where Python is older than it (PYNQ 3 images have 3.10)."""

import sys

if sys.version_info >= (3, 11):  # noqa: UP036 (what boards have)
    import tomllib
else:
    import tomli as tomllib

__all__ = ["tomllib"]
