# SPDX-License-Identifier: Apache-2.0
"""The generated files of one hardware configuration, in a folder of the cache, written on first use."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from pathlib import Path

from peritus.arch.config import HwConfig
from peritus.codegen.configuration import cpp_config, sv_package, toml_config
from peritus.resources import cache_dir as default_cache_dir

PACKAGE, HEADER = "peritus_pkg.sv", "peritus_config.hpp"


def configured(hw: HwConfig, cache_dir: Path | None = None) -> Path:
    """Folder with PACKAGE, HEADER and NAME.toml of `hw`. Do not modify it."""
    texts = {PACKAGE: sv_package(hw), HEADER: cpp_config(hw), f"{hw.name}.toml": toml_config(hw)}
    digest = hashlib.sha256("".join(texts.values()).encode()).hexdigest()[:16]
    folder = (cache_dir or default_cache_dir()) / "generated" / f"{hw.name}-{digest}"
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=".draft-", dir=folder.parent))
        draft.chmod(0o755)
        for name, text in texts.items():
            (draft / name).write_text(text)
        try:
            draft.rename(folder)
        except OSError:  # another process was first
            shutil.rmtree(draft)
            if not folder.is_dir():
                raise
    return folder
