# SPDX-License-Identifier: Apache-2.0
"""Where the files that are not Python live: configs/, rtl/, hls/, sim/, boards/, and the build cache.

    resource("rtl/control/peritus_sequencer.sv")   a file or folder of the project
    cache_dir()                            where built simulators are kept
    how_to_install("sim")                  for errors: what to do where an extra is missing

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
    """Folder for built simulators: `.cache` of the checkout, else `~/.cache/peritus`. May not exist yet.

    Raises:
        ResourceError: this user has no home.
    """
    root = repository_root()
    try:
        return root / ".cache" if root else Path.home() / ".cache" / "peritus"
    except RuntimeError as error:
        raise ResourceError(f"no place for the cache: {error}; set HOME") from error


def how_to_install(extra: str) -> str:
    """What to do where the packages of an extra are missing.

    Never by our name from an index: whose package that is there, nobody can know.
    """
    if root := repository_root():
        return f"in {root}, make venv, or pip install -e '.[{extra}]'"
    return f"pip install 'FILE[{extra}]', where FILE is the wheel that this was installed from"
