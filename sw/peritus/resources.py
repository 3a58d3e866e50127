# SPDX-License-Identifier: Apache-2.0
"""Where the files that are not Python live: configs/, rtl/, hls/, sim/, boards/, and the build cache.

    resource("rtl/control/peritus_sequencer.sv")   a file or folder of the project
    cache_dir()                            where built simulators are kept

In a checkout these are the repository's own folders; in an installed wheel they are package data under
`peritus/data`.
"""

from pathlib import Path

from peritus.errors import PeritusError

_PACKAGE = Path(__file__).resolve().parent
_INSTALLED = _PACKAGE / "data"


class ResourceError(PeritusError):
    """A file that belongs to the project is missing; names the path."""


def repository_root() -> Path | None:
    """Root of the checkout that this package is imported from, None in an installed wheel."""
    root = _PACKAGE.parent.parent
    return root if (root / "pyproject.toml").is_file() and (root / "sw" / "peritus") == _PACKAGE else None


def resource(relative: str) -> Path:
    """Absolute path of a project file or folder, given relative to the repository root.

    Raises:
        ResourceError: it does not exist.
    """
    path = (repository_root() or _INSTALLED) / relative
    if not path.exists():
        raise ResourceError(f"project file {relative!r} not found at {path}")
    return path


def cache_dir() -> Path:
    """Folder for built simulators: `.cache` of the checkout, else `~/.cache/peritus`. May not exist yet."""
    root = repository_root()
    return root / ".cache" if root else Path.home() / ".cache" / "peritus"
