# SPDX-License-Identifier: Apache-2.0
"""The generated files of one hardware configuration, in a folder of the cache, written on first use."""

from __future__ import annotations

from pathlib import Path

from peritus.arch.config import HwConfig
from peritus.cache import digest, open_cache
from peritus.codegen.configuration import cpp_config, sv_package, toml_config

PACKAGE, HEADER = "peritus_pkg.sv", "peritus_config.hpp"
TIMEOUT_S = 60.0  # for another process that writes the same


def configured(hw: HwConfig, cache_dir: Path | None = None) -> Path:
    """Folder with PACKAGE, HEADER and NAME.toml of `hw`. Do not modify it.

    Raises:
        CacheError: they are not there and cannot be written.
    """
    texts = {PACKAGE: sv_package(hw), HEADER: cpp_config(hw), f"{hw.name}.toml": toml_config(hw)}

    def write(draft: Path) -> None:
        for name, text in texts.items():
            (draft / name).write_text(text)

    return open_cache("generated", cache_dir).get(digest(texts), write, lock_timeout_s=TIMEOUT_S)
