# SPDX-License-Identifier: Apache-2.0
"""The photo of the demo (see PHOTO.md)."""

from pathlib import Path

PHOTO = Path(__file__).resolve().parent / "photo.png"
