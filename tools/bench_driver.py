# SPDX-License-Identifier: Apache-2.0
"""Measure what the driver costs per frame, and whether it keeps the device busy.

    python tools/bench_driver.py [--frames N] [--json FILE]

Overhead: everything but the device. A null device's jobs take no time, so that the time per frame of a stream
is the driver's alone: check, copy, cache maintenance, registers, counters, result. In processor time: what
else runs on the machine does not count.

Throughput: the null device's jobs take 1.6 ms, and the next one starts only when it is in the queue. The
clock is simulated: it runs with this process's work and jumps over its waiting, so that 100 % is the device's
own rate and each microsecond in which the driver lets the queue run dry is missing.

With interrupt: the same overhead in that run, in which the host waits for each frame's interrupt: median. It
is spent while the device works.

    null    the driver alone, registers and buffers being plain memory
    pynq    through PYNQ: Overlay, memory-mapped registers, PynqBuffer, pynq.Interrupt on asyncio
    copied  an image of m3vit_tiny's size, copied into the frame buffer once; in place: already there
"""

from __future__ import annotations

import argparse
import gc
import itertools
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from null_platform import HostClock, NullPlatform, NullRegisters
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

import peritus
from peritus.arch.config import HwConfig, load_config
from peritus.bundle import Bundle
from peritus.runtime.driver.device import DrivenDevice
from peritus.runtime.driver.platform import Limit
from peritus.runtime.pynq.device import PynqDevice, import_pynq

SERVICE_S = 1.6e-3
WARM_UP = 50


class NullDevice(DrivenDevice):
    """A device whose jobs take `service_s`."""

    name = "null"

    def __init__(self, hw: HwConfig, service_s: float) -> None:
        super().__init__(hw, Limit(seconds=5))
        self.registers = NullRegisters(hw, service_s)

    def _power_up(self, bundle: Bundle) -> NullPlatform:
        return NullPlatform(self.registers)


@dataclass(frozen=True)
class Record:
    """One row. Times in µs of processor time per frame; share: of the device's own frames/s."""

    device: str
    image: str
    median_us: float
    p99_us: float
    with_interrupt_us: float
    frames_per_s: float
    share: float


def open_null(device: str, hw: HwConfig, service_s: float, folder: Path) -> tuple[DrivenDevice, HostClock]:
    """A device by the names above, and its clock."""
    if device == "null":
        null = NullDevice(hw, service_s)
        return null, null.registers.clock
    import_pynq()
    from pynq_null import NullBoard

    from peritus.runtime.virtual.soc import write_bitstream

    board = NullBoard(service_s)
    opened = PynqDevice(hw, bitstream=write_bitstream(folder, hw), board=board, lock_folder=folder)
    return opened, board.registers.clock


def images(device: DrivenDevice, bundle: Bundle, in_place: bool) -> Iterator[NDArray[np.uint8]]:
    """The same image again and again, or frame buffers of the device."""
    image = np.zeros((bundle.image_height, bundle.image_width, 3), np.uint8)
    while True:
        yield device.buffer() if in_place else image


def measure(device: str, image: str, bundle: Bundle, hw: HwConfig, frames: int, folder: Path) -> Record:
    """One row of the table."""
    tasks = list(itertools.islice(itertools.cycle(task.name for task in bundle.tasks), WARM_UP + frames))
    stamps: dict[float, NDArray[np.float64]] = {}  # rows: simulated clock, processor time
    for service_s in (0.0, SERVICE_S):
        opened, clock = open_null(device, hw, service_s, folder)
        with opened:
            opened.load(bundle)
            gc.collect()  # what imports and opening left behind: 20 ms once, of no frame
            results = opened.stream(images(opened, bundle, image == "in place"), tasks)
            times = [(clock.now(), time.process_time()) for _ in results]
            stamps[service_s] = np.array(times[WARM_UP - 1 :]).T
    overhead, waiting = (1e6 * np.diff(stamps[service_s][1]) for service_s in (0.0, SERVICE_S))
    rate = frames / (stamps[SERVICE_S][0, -1] - stamps[SERVICE_S][0, 0])
    return Record(
        device=device,
        image=image,
        median_us=round(float(np.median(overhead)), 1),
        p99_us=round(float(np.percentile(overhead, 99)), 1),
        with_interrupt_us=round(float(np.median(waiting)), 1),
        frames_per_s=round(rate, 1),
        share=round(rate * SERVICE_S, 4),
    )


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description="driver overhead and throughput with a null device")
    parser.add_argument("--frames", type=int, default=1000)
    parser.add_argument("--json", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    hw = load_config("zcu104")
    bundle = peritus.compile(peritus.load_model("m3vit_tiny"), hw=hw)
    with tempfile.TemporaryDirectory() as folder:
        records = [
            measure(device, image, bundle, hw, arguments.frames, Path(folder))
            for device in ("null", "pynq")
            for image in ("copied", "in place")
        ]
    columns = "median µs", "p99 µs", "with interrupt µs", "frames/s at 1.6 ms", "of the device's own"
    table = Table("device", "image", *columns)
    for r in records:
        times = f"{r.median_us:.1f}", f"{r.p99_us:.1f}", f"{r.with_interrupt_us:.1f}"
        table.add_row(r.device, r.image, *times, f"{r.frames_per_s:.1f}", f"{r.share:.1%}")
    Console().print(table)
    if arguments.json is not None:
        arguments.json.write_text(json.dumps([asdict(record) for record in records], indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
