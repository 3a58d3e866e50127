# SPDX-License-Identifier: Apache-2.0
"""Frames per second of the HLS twin, device `hls`, a process for each core: m3vit_tiny for the ZCU104.

    python tools/bench_twin.py [--frames 100] [--workers N]

Prints frames in a second of wall clock, which other programs slow down, and CPU milliseconds a frame, which
they slow down less. Compiling the twin and starting the processes does not count.
"""

from __future__ import annotations

import argparse
import time

import peritus
from peritus.arch.config import load_config
from peritus.evaluation.workers import default_workers, in_order
from peritus.ir.random_model import Dims, random_image
from peritus.runtime.hls.device import HlsDevice

MODEL, HW, TASKS = "m3vit_tiny", "zcu104", ("semseg", "depth")
_device: list[HlsDevice] = []  # of this process
_images = [random_image(Dims(height=128, width=256), number) for number in range(8)]


def prepare() -> None:
    """Open the device of a worker, and run a frame that does not count."""
    device = HlsDevice(load_config(HW))
    device.load(peritus.compile(peritus.load_model(MODEL), hw=HW))
    _device.append(device)
    run(0)


def run(number: int) -> float:
    """CPU seconds of one frame, of both tasks in turn."""
    (device,) = _device
    start = time.process_time()
    device.run(_images[number % len(_images)], task=TASKS[number % len(TASKS)])
    return time.process_time() - start


def main() -> None:
    """Measure once and print a line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--frames", type=int, default=100)
    parser.add_argument("--workers", type=int, default=default_workers())
    options = parser.parse_args()
    HlsDevice(load_config(HW)).close()  # compiled once, not by every worker
    answers = in_order(run, range(4 * options.workers + options.frames), options.workers, prepare, ())
    for _ in range(4 * options.workers):  # until all workers are there
        next(answers)
    start = time.monotonic()
    seconds = list(answers)
    rate = len(seconds) / (time.monotonic() - start)
    print(
        f"{MODEL} on {HW}, {len(seconds)} frames in {options.workers} processes: {rate:.1f} frames/s, "
        f"{1e3 * sum(seconds) / len(seconds):.0f} ms of CPU a frame"
    )


if __name__ == "__main__":
    main()
