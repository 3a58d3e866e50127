# SPDX-License-Identifier: Apache-2.0
"""What one's own folders have in common: splits, and one level of pictures."""

from __future__ import annotations

from pathlib import Path

from peritus.schema import file_fault
from quant_models.data.dataset import DataError
from quant_models.data.photos import SUFFIXES

SPLITS = ("train", "val", "test")
WHOLE = "all"  # the one split of a folder that is not divided
_LITTER = ("thumbs.db", "desktop.ini")


def entries(folder: Path) -> list[Path]:
    """What lies in a folder, by name; hidden files and what file managers leave are passed over.

    Raises:
        DataError: it cannot be read.
    """
    try:
        found = sorted(folder.iterdir(), key=lambda path: path.name)
    except OSError as error:
        raise DataError(f"folder {folder} cannot be read: {error.strerror}") from error
    return [path for path in found if not path.name.startswith(".") and path.name.lower() not in _LITTER]


def pictures(folder: Path) -> dict[str, Path]:
    """The pictures of a folder by their stems, in the order of their names.

    Raises:
        DataError: no such folder, nothing in it, something that is no picture, or two of one stem.
    """
    found: dict[str, Path] = {}
    for path in entries(folder):
        if fault := file_fault(path):
            raise DataError(f"{path} {fault}, expected a picture")
        if path.suffix.lower() not in SUFFIXES:
            raise DataError(
                f"{path} is no picture that is read ({', '.join(SUFFIXES)}): convert it, or move it elsewhere"
            )
        if path.stem in found:
            raise DataError(f"{path} and {found[path.stem]} have the same stem: rename one of them")
        found[path.stem] = path
    if not found:
        raise DataError(f"folder {folder} has no pictures ({', '.join(SUFFIXES)})")
    return found


def split_folder(root: Path, splits: tuple[str, ...], split: str) -> Path:
    """Where a split lies, of those that there are; DataError if it is none of them."""
    if split not in splits:
        raise DataError(f"{root} has no split {split!r}; it has {', '.join(splits)}")
    return root if split == WHOLE else root / split
