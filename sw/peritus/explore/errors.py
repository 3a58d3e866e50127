# SPDX-License-Identifier: Apache-2.0
"""What can be wrong with a question to the explorer."""

from peritus.errors import PeritusError


class ExploreError(PeritusError):
    """A sweep makes no sense, or its folder belongs to another one; names the value and what to do."""
