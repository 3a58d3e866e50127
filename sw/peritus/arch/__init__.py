# SPDX-License-Identifier: Apache-2.0
"""Hardware configurations and the files generated from them."""

from peritus.arch.config import ConfigError, DdrConfig, HwConfig, load_config

__all__ = ["ConfigError", "DdrConfig", "HwConfig", "load_config"]
