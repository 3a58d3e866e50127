# SPDX-License-Identifier: Apache-2.0
"""The street scene of the demo (see SCENE.md)."""

from pathlib import Path

SCENE = Path(__file__).resolve().parent / "scene.png"
