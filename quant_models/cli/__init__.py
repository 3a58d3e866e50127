# SPDX-License-Identifier: Apache-2.0
"""Commands of `peritus` that know networks: entry points `peritus.commands` of pyproject.toml."""
