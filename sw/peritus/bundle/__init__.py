# SPDX-License-Identifier: Apache-2.0
"""The bundle: what the compiler writes and every device runs; and its text form."""

from peritus.bundle.bundle import (
    ALIGNMENT,
    EXEC_BYTES,
    FETCH_BYTES,
    MAGIC,
    VERSION,
    Bundle,
    BundleConfigError,
    BundleCorrupted,
    BundleError,
    BundleTaskError,
    BundleTruncated,
    BundleVersionError,
    FeatureEntry,
    TaskEntry,
)
from peritus.bundle.frame import FrameLayout

__all__ = [
    "ALIGNMENT",
    "EXEC_BYTES",
    "FETCH_BYTES",
    "MAGIC",
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
