# SPDX-License-Identifier: Apache-2.0
"""Tools that come as Python packages."""

from importlib.metadata import PackageNotFoundError, version

from peritus.eda.errors import ToolNotFound
from peritus.resources import how_to_install


def package_version(name: str, extra: str) -> str:
    """Version of an installed package, which `extra` of this one brings; ToolNotFound if there is none."""
    try:
        return version(name)
    except PackageNotFoundError:
        raise ToolNotFound(f"{name} is not installed: {how_to_install(extra)}") from None
