# SPDX-License-Identifier: Apache-2.0
"""Why a bundle cannot be used."""

from peritus.errors import PeritusError


class BundleError(PeritusError):
    """A bundle that cannot be used; names the value and what was expected."""


class BundleTruncated(BundleError):
    """The file ends early."""


class BundleCorrupted(BundleError):
    """The contents do not match their checksum, or make no sense."""


class BundleVersionError(BundleError):
    """Written by another version of the format."""


class BundleConfigError(BundleError):
    """Compiled for another hardware configuration."""


class BundleTaskError(BundleError):
    """The bundle has no such task."""
