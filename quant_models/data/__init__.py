# SPDX-License-Identifier: Apache-2.0
"""Images with labels: generated street scenes, and loaders of public data sets."""
