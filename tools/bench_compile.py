# SPDX-License-Identifier: Apache-2.0
"""CPU time of the roads to and from a bundle: loading a model, compiling it, saving and loading the bundle.

    python tools/bench_compile.py [--runs 5]

Prints CPU seconds, user and system, of all threads together: median of the runs, after imports and a first
run that does not count.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import peritus
from peritus.bundle import Bundle

CASES = (("m3vit_tiny", "zcu104"), ("m3vit_micro", "nano"))
STEPS = ("load_model", "compile", "save", "Bundle.load")

T = TypeVar("T")


def main() -> None:
    """Measure every case and print one row each."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    print(f"CPU seconds, median of {runs} runs")
    print(f"{'model':<12}{'hw':<8}" + "".join(f"{step:>13}" for step in STEPS))
    with tempfile.TemporaryDirectory() as folder:
        for model, hw in CASES:
            measure(model, hw, Path(folder))  # imports, and fills the caches of the file system
            times = zip(*(measure(model, hw, Path(folder)) for _ in range(runs)), strict=True)
            print(f"{model:<12}{hw:<8}" + "".join(f"{statistics.median(t):>13.3f}" for t in times))


def measure(name: str, hw: str, folder: Path) -> list[float]:
    """CPU seconds of each of STEPS, once."""
    path = folder / f"{name}.bundle"
    times: list[float] = []

    def timed(action: Callable[[], T]) -> T:
        gc.collect()
        start = time.process_time()
        result = action()
        times.append(time.process_time() - start)
        return result

    model = timed(lambda: peritus.load_model(name))
    bundle = timed(lambda: peritus.compile(model, hw=hw))
    timed(lambda: bundle.save(path))
    timed(lambda: Bundle.load(path))
    return times


if __name__ == "__main__":
    main()
