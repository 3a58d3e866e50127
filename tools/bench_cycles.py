# SPDX-License-Identifier: Apache-2.0
"""How quick the cycle model is: CPU time of one frame of m3vit_tiny for the ZCU104.

    python tools/bench_cycles.py [--runs 10]

Prints CPU milliseconds of `predict`, the least and the median of the runs, of both expert widths and tasks.
Other programs on the machine make it up to twice as much.
"""

from __future__ import annotations

import argparse
import statistics
import time

import peritus
from peritus.cycles import predict, routing_of
from peritus.demo import SCENE
from peritus.photo import photo_for

MODELS, HW, TASKS = ("m3vit_tiny_int4", "m3vit_tiny"), "zcu104", ("semseg", "depth")


def main() -> None:
    """One row for each model and task."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=int, default=10)
    runs = parser.parse_args().runs
    print(f"CPU milliseconds of one frame on {HW}, {runs} runs")
    print(f"{'model':<18}{'task':<8}{'cycles':>10}{'least':>8}{'median':>8}")
    for name in MODELS:
        bundle = peritus.compile(peritus.load_model(name), hw=HW)
        image = photo_for(SCENE, bundle.frame.shape)
        for task in TASKS:
            routing = routing_of(bundle, image, task)
            times = []
            for _ in range(runs):
                start = time.process_time()
                cycles = predict(bundle, task, routing).cycles
                times.append(1e3 * (time.process_time() - start))
            print(f"{name:<18}{task:<8}{cycles:>10,}{min(times):>8.0f}{statistics.median(times):>8.0f}")


if __name__ == "__main__":
    main()
