# SPDX-License-Identifier: Apache-2.0
"""The bundle: what the compiler writes and every device runs; and its text form."""

from peritus.bundle.bundle import (
    EXEC_BYTES,
    FETCH_BYTES,
    MAGIC,
    VERSION,
    Bundle,
)
from peritus.bundle.errors import (
    BundleConfigError,
    BundleCorrupted,
    BundleError,
    BundleTaskError,
    BundleTruncated,
    BundleVersionError,
)
from peritus.bundle.frame import FrameLayout
from peritus.bundle.header import ALIGNMENT, TOGETHER, FeatureEntry, TaskEntry

__all__ = [
    "ALIGNMENT",
    "EXEC_BYTES",
    "FETCH_BYTES",
    "MAGIC",
    "TOGETHER",
    "VERSION",
    "Bundle",
    "BundleConfigError",
    "BundleCorrupted",
    "BundleError",
    "BundleTaskError",
    "BundleTruncated",
    "BundleVersionError",
    "FeatureEntry",
    "FrameLayout",
    "TaskEntry",
]
