# SPDX-License-Identifier: Apache-2.0
"""The driver of the HLS twin's IP: addresses and job into its control map, start, done, status.

    HlsIpDevice(load_config("edge"), platform, ControlMap.read(Path("xperitus_top_hw.h")))

The handshake is ap_ctrl_hs (UG1399): start is written, done is read, which clears it. The IP has no queue, no
guard windows, no counters and says nothing of its configuration: a wrong bitstream shows in the status, or
not at all.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from peritus.arch.config import HwConfig
from peritus.bundle import Bundle
from peritus.bundle.bundle import EXEC_BYTES
from peritus.runtime.driver.errors import DeviceTimeout
from peritus.runtime.driver.platform import Buffer, Countdown, Limit, Platform
from peritus.runtime.errors import NotLoaded
from peritus.runtime.frame_by_frame import Bytes, FrameByFrame, JobOutput
from peritus.runtime.hls.control_map import BUFFERS, WORD_BITS, ControlMap
from peritus.runtime.hls.library import Status, job_of, raise_fault

AP_START, AP_DONE, AP_IDLE = 1 << 0, 1 << 1, 1 << 2
POLL_S = 0.0002
FRAME = Limit(10.0)


@dataclass(eq=False)
class _Open:
    """A bundle in the memory of the device, where no job has run if it is cold. buffers: by argument."""

    bundle: Bundle
    buffers: Mapping[str, Buffer]
    cold: bool = True


class HlsIpDevice(FrameByFrame):
    """peritus.runtime.Device over the IP that Vitis HLS makes of the twin.

    Args:
        hw: the configuration that the IP was made for. platform: its registers and memory; no interrupt is
        waited for. control: its map. limit: for each frame.

    Runs raise TwinError if the program is wrong, DeviceTimeout if the IP does not answer.
    """

    name = "hls-ip"

    def __init__(
        self, hw: HwConfig, platform: Platform, control: ControlMap, *, limit: Limit = FRAME
    ) -> None:
        super().__init__(hw)
        self._platform, self._map, self._limit = platform, control, limit
        self._open_one: _Open | None = None

    def _open(self, bundle: Bundle) -> None:
        end = len(bundle.instructions) * EXEC_BYTES
        contents = {
            "program": np.frombuffer(bundle.program[:end], np.uint8),
            "fetches": np.frombuffer(bundle.program[end:], np.uint8),
            "weights": bundle.weights,
        }
        sizes = {name: len(content) for name, content in contents.items()} | {
            "image": bundle.frame.bytes,
            "result": bundle.output_bytes,
            "features": bundle.features.output_bytes,
        }
        buffers: dict[str, Buffer] = {}
        self._open_one = _Open(bundle, buffers)  # whatever is allocated is given back
        beat = self.hw.axi_data_bytes  # it reads whole ones
        for name in BUFFERS:
            buffers[name] = self._platform.allocate(max(1, -(-sizes[name] // beat)) * beat)
            if name in contents:
                buffers[name].array[: sizes[name]] = contents[name]
                buffers[name].flush()
            self._write(name, buffers[name].address.to_bytes(8, "little"))

    def _close(self) -> None:
        opened, self._open_one = self._open_one, None
        for buffer in opened.buffers.values() if opened is not None else ():
            buffer.free()

    def _job(self, image: Bytes, task: int, features: bool) -> JobOutput:
        opened = self._open_one
        if opened is None:
            raise NotLoaded(f"the {self.name} device has no bundle: call load() first")
        bundle, buffers = opened.bundle, opened.buffers
        sizes = {"result": bundle.job_bytes(task)}
        sizes |= {"features": bundle.features.output_bytes} if features else {}
        buffers["image"].array[: len(image)] = image
        buffers["image"].flush()
        job = job_of(bundle, self.hw, task, features=features, cold=opened.cold)
        self._write("job", bytes(job))
        self._run(f"task {bundle.job_name(task)!r}")
        status = Status.from_buffer_copy(self._read("status", ctypes.sizeof(Status)))
        raise_fault(status, bundle)
        opened.cold = False
        outputs = {}
        for name, size in sizes.items():
            buffers[name].invalidate()
            outputs[name] = buffers[name].array[:size].copy()
        return JobOutput(
            outputs["result"], outputs.get("features"), status.weight_beats * self.hw.axi_data_bytes
        )

    def _run(self, what: str) -> None:
        """Start it and wait until it is done; whatever was left of an earlier job is over first."""
        left = Countdown(self._limit)
        self._wait(AP_IDLE, left, f"before {what}")
        self._platform.write32(self._map.control, AP_START)
        self._wait(AP_DONE, left, what)

    def _wait(self, bit: int, left: Countdown, what: str) -> None:
        while not (word := self._platform.read32(self._map.control)) & bit:
            if left.over:
                raise DeviceTimeout(f"{what}: nothing within {self._limit}; AP_CTRL is {word:#x}")
            time.sleep(min(POLL_S, left.seconds))

    def _write(self, argument: str, data: bytes) -> None:
        for n, word in enumerate(np.frombuffer(data, "<u4")):
            self._platform.write32(self._map.arguments[argument] + n * WORD_BITS // 8, int(word))

    def _read(self, argument: str, size: int) -> bytes:
        place, step = self._map.arguments[argument], WORD_BITS // 8
        words = [self._platform.read32(place + offset) for offset in range(0, size, step)]
        return np.array(words, "<u4").tobytes()
