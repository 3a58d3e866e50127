# SPDX-License-Identifier: Apache-2.0
"""The C interface of sim/harness.cpp, for peritus.runtime.rtl.simulation."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from enum import IntEnum
from pathlib import Path
from typing import Any

from peritus.runtime.rtl.errors import SimulationError

MAX_PORTS = 4  # of sim/ddr_config.hpp


class Status(IntEnum):
    """peritus::Status."""

    OK = 0
    TIMEOUT = 1
    SLAVE_ERROR = 2
    STOPPED = 3
    NOT_TRACED = 4


class Config(ctypes.Structure):
    """peritus::DdrConfig."""

    _fields_ = [
        ("memory", ctypes.c_void_p),
        *((name, ctypes.c_uint64) for name in ("base", "size", "bandwidth")),
        ("port_bandwidth", ctypes.c_uint64 * MAX_PORTS),
        ("shared_bandwidth", ctypes.c_uint64),
        ("seed", ctypes.c_uint64),
        ("group", ctypes.c_uint32 * MAX_PORTS),
        *(
            (name, ctypes.c_uint32)
            for name in (
                "ports", "read_latency", "write_latency", "jitter",
                "refresh_period", "refresh_cycles", "outstanding", "stall", "silent_reads", "silent_writes",
            )
        ),
    ]  # fmt: skip


class RawViolation(ctypes.Structure):
    """peritus::Violation."""

    _fields_ = [
        ("cycle", ctypes.c_uint64),
        ("address", ctypes.c_uint64),
        ("port", ctypes.c_uint32),
        ("fault", ctypes.c_uint32),
    ]


class RawOpenAccess(ctypes.Structure):
    """peritus::OpenAccess."""

    _fields_ = [
        *((name, ctypes.c_uint64) for name in ("address", "since")),
        *((name, ctypes.c_uint32) for name in ("port", "write", "bursts")),
    ]


class RawChange(ctypes.Structure):
    """peritus::CycleTrace::Change."""

    _fields_ = [("cycle", ctypes.c_uint64), ("instruction", ctypes.c_uint32), ("cause", ctypes.c_uint32)]


def open_library(library: Path) -> ctypes.CDLL:
    """A simulator, as `verilate` built and checked it; SimulationError if the system does not load it."""
    try:
        return ctypes.CDLL(str(library))
    except OSError as error:
        raise SimulationError(
            f"the simulator {library} cannot be loaded: {error}; `peritus doctor --repair` looks for damage"
        ) from error


def load_library(library: Path) -> ctypes.CDLL:
    """The library with the types of its functions declared; SimulationError if it cannot be loaded."""
    lib = open_library(library)
    u32, u64, handle, text = ctypes.c_uint32, ctypes.c_uint64, ctypes.c_void_p, ctypes.c_char_p
    pointer = ctypes.POINTER
    signatures: dict[str, tuple[Any, Sequence[Any]]] = {
        "sim_create": (handle, [pointer(Config), u32, u32]),
        "sim_creation_error": (text, []),
        "sim_destroy": (None, [handle]),
        "sim_reset": (ctypes.c_int, [handle, u32]),
        "sim_read32": (ctypes.c_int, [handle, u32, pointer(u32), u32]),
        "sim_write32": (ctypes.c_int, [handle, u32, u32, u32]),
        "sim_run": (ctypes.c_int, [handle, u64]),
        "sim_message": (text, [handle]),
        "sim_cycles": (u64, [handle]),
        "sim_irq": (ctypes.c_int, [handle]),
        "sim_traffic": (None, [handle, pointer(u64), pointer(u64)]),
        "sim_open_accesses": (u32, [handle, pointer(RawOpenAccess)]),
        "sim_violations": (u64, [handle, pointer(RawViolation), u32]),
        "sim_clear_violations": (None, [handle]),
        "sim_fault_text": (text, [u32]),
        "sim_open_waves": (ctypes.c_int, [handle, text]),
        "sim_trace_writes": (None, [handle, ctypes.c_int]),
        "sim_trace_cycles": (None, [handle, ctypes.c_int]),
        "sim_changes": (pointer(RawChange), [handle, pointer(u64)]),
        "sim_cause_name": (text, [handle, u32]),
        "sim_written": (pointer(u32), [handle, u32, pointer(u64), pointer(u32)]),
    }
    for name, (result, arguments) in signatures.items():
        function = getattr(lib, name)
        function.restype, function.argtypes = result, arguments
    return lib
