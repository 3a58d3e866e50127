# SPDX-License-Identifier: Apache-2.0
"""Whether there is a file to read: a pipe without a writer would be waited for."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from peritus.schema.names import printable


def file_fault(path: object) -> str | None:
    """Why there is no file to read at `path`, to be put behind its name; None: there is one.

    What is no regular file (a pipe, a device) is a fault: it may have no end, or never begin.
    """
    if not isinstance(path, (str, os.PathLike)):
        return f"is a {type(path).__name__}, expected a path"
    try:
        kind = Path(path).stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return "does not exist"
    except (OSError, ValueError) as error:  # no permission, links in a circle; a name with a zero byte
        return f"cannot be read: {printable(getattr(error, 'strerror', None) or str(error))}"
    if stat.S_ISDIR(kind):
        return "is a folder"
    return None if stat.S_ISREG(kind) else "is no regular file"
