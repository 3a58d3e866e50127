# SPDX-License-Identifier: Apache-2.0
"""The C interface of hls/csim/device.cpp; jobs and what becomes of them."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from enum import IntEnum
from pathlib import Path
from typing import Any

from peritus.arch.config import HwConfig
from peritus.bundle import Bundle
from peritus.runtime.errors import DeviceError


class TwinError(DeviceError):
    """The HLS twin cannot be loaded, or a job ended early; names the instruction, what and why."""


class Fault(IntEnum):
    """peritus::Fault."""

    NONE = 0
    CAPACITY = 1
    END = 2
    OPCODE = 3
    COUNT = 4
    SEGMENT = 5
    ADDRESS = 6
    BUFFER = 7
    WIDTH = 8


class Job(ctypes.Structure):
    """peritus::Job."""

    _fields_ = [
        (name, ctypes.c_int32)
        for name in (
            "task", "features", "cold", "instructions", "fetches",
            "weight_beats", "image_beats", "result_beats", "feature_beats",
        )
    ]  # fmt: skip


class Status(ctypes.Structure):
    """peritus::Status."""

    _fields_ = [(name, ctypes.c_int32) for name in ("fault", "instruction", "value", "weight_beats")]


_WORDS = {
    Fault.CAPACITY: "the program has more instructions or fetch entries than the configuration holds",
    Fault.END: "the program has no END",
    Fault.OPCODE: "there is no such instruction",
    Fault.COUNT: "a count is 0, or beyond what the configuration has",
    Fault.SEGMENT: "the segment of the weight stream is not what the instruction uses",
    Fault.ADDRESS: "address {value} is beyond the memory",
    Fault.BUFFER: "reaches beyond the image or its buffer",
    Fault.WIDTH: "a value left its width of {value} bits (binding CHECKED)",
}


def job_of(bundle: Bundle, hw: HwConfig, task: int, *, features: bool, cold: bool) -> Job:
    """A job of a bundle. cold: the first on a machine whose memories are as they power up."""
    beat = hw.axi_data_bytes
    return Job(
        task=task,
        features=features,
        cold=cold,
        instructions=len(bundle.instructions),
        fetches=len(bundle.fetches),
        weight_beats=len(bundle.weights) // beat,
        image_beats=bundle.frame.bytes // beat,
        result_beats=bundle.job_bytes(task) // beat,
        feature_beats=bundle.features.output_bytes // beat if features else 0,
    )


def raise_fault(status: Status, bundle: Bundle) -> None:
    """TwinError if a job ended early; names the instruction."""
    if status.fault == Fault.NONE:
        return
    if status.fault not in list(Fault):
        raise TwinError(f"unknown fault {status.fault} at instruction {status.instruction}")
    fault = Fault(status.fault)
    where = "" if fault is Fault.WIDTH else f"instruction {bundle.describe(status.instruction)}: "
    raise TwinError(where + _WORDS[fault].format(value=status.value))


def load_library(library: Path) -> ctypes.CDLL:
    """The library with the types of its functions declared; TwinError if the system does not load it."""
    try:
        lib = ctypes.CDLL(str(library))
    except OSError as error:
        raise TwinError(
            f"the HLS twin {library} cannot be loaded: {error}; `peritus doctor --repair` looks for damage"
        ) from error
    u32, u64, pointer = ctypes.c_uint32, ctypes.c_uint64, ctypes.POINTER
    handle = buffer = ctypes.c_void_p
    signatures: dict[str, tuple[Any, Sequence[Any]]] = {
        "hls_config_hash": (u64, []),
        "hls_create": (handle, []),
        "hls_destroy": (None, [handle]),
        "hls_run": (None, [handle, *[buffer] * 6, pointer(Job), pointer(Status)]),
        "hls_trace_writes": (None, [handle, ctypes.c_int]),
        "hls_written": (pointer(u32), [handle, u32, pointer(u64), pointer(u32)]),
    }
    for name, (result, arguments) in signatures.items():
        function = getattr(lib, name)
        function.restype, function.argtypes = result, arguments
    return lib
