# SPDX-License-Identifier: Apache-2.0
"""What the recorder says when a script is wrong."""

from peritus.eda.errors import ToolchainError


class ScriptError(ToolchainError):
    """A script uses a command as its documentation does not allow, or its design is not whole; names both."""
