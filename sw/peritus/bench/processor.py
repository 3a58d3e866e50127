# SPDX-License-Identifier: Apache-2.0
"""Networks on the processor that the table is made on, where there is somebody who can run them."""

from __future__ import annotations

import platform
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

# name "rows" -> f(): dictionaries of model_name, work, by, arithmetic, threads, ms; or model_name, skipped.
PROCESSOR = "peritus.processor"


def processor_rows() -> list[dict[str, Any]]:
    """Float and int8 on one and two threads; empty where the extra `models` is not installed."""
    try:
        return [row for entry in entry_points(group=PROCESSOR) for row in entry.load()()]
    except ImportError:
        return []


def processor_name() -> str:
    """As the machine calls it."""
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
