# SPDX-License-Identifier: Apache-2.0
"""How quick the HLS twin is, device `hls`, on m3vit_tiny for the ZCU104.

    python tools/bench_twin.py [--frames 100] [--workers N]

Prints seconds to compile it; CPU milliseconds a frame beside the instruction set simulator's, without a
trace, the least of a few frames of each; frames in a second of wall clock, a process for each core. Other
programs on the machine slow all of it down, CPU time least.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import peritus
from peritus.arch.config import load_config
from peritus.eda.csim import twin_library
from peritus.evaluation.workers import default_workers, in_order
from peritus.ir.random_model import Dims, random_image
from peritus.runtime.hls.device import HlsDevice
from peritus.runtime.iss.device import IssDevice

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


def build_seconds() -> float:
    """Seconds to compile the twin, into a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.monotonic()
        twin_library(load_config(HW), cache_dir=Path(folder))
        return time.monotonic() - start


def beside_the_simulator(frames: int = 6) -> tuple[float, float]:
    """CPU seconds of a frame: of the twin, of the simulator."""
    hw, least = load_config(HW), []
    bundle = peritus.compile(peritus.load_model(MODEL), hw=HW)
    for device in (HlsDevice(hw), IssDevice(hw)):
        with device:
            device.load(bundle)
            times = []
            for number in range(frames):
                start = time.process_time()
                device.run(_images[number], task=TASKS[0])
                times.append(time.process_time() - start)
        least.append(min(times))
    return least[0], least[1]


def main() -> None:
    """Measure once and print three lines."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--frames", type=int, default=100)
    parser.add_argument("--workers", type=int, default=default_workers())
    options = parser.parse_args()
    print(f"compiled for {HW} in {build_seconds():.1f} s")
    twin, simulator = beside_the_simulator()  # also puts the twin into the cache, for all workers
    milliseconds = f"{1e3 * twin:.0f} ms of CPU a frame, the simulator {1e3 * simulator:.0f} ms"
    print(f"{MODEL}: {milliseconds}, a ratio of {twin / simulator:.2f}")
    answers = in_order(run, range(4 * options.workers + options.frames), options.workers, prepare, ())
    for _ in range(4 * options.workers):  # until all workers are there
        next(answers)
    start = time.monotonic()
    seconds = list(answers)
    rate = len(seconds) / (time.monotonic() - start)
    mean = sum(seconds) / len(seconds)
    alone = f"{1e3 * mean:.0f} ms of CPU a frame are {options.workers / mean:.0f} frames/s of idle cores"
    print(f"{len(seconds)} frames in {options.workers} processes: {rate:.1f} frames/s; {alone}")


if __name__ == "__main__":
    main()
