# SPDX-License-Identifier: Apache-2.0
"""The JSON record of a run."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from peritus.arch.config import HwConfig
from peritus.bundle import Bundle
from peritus.runtime.device import Result

if TYPE_CHECKING:  # who runs a bundle needs no graph
    from peritus.ir.execute import Execution


def run_record(
    bundle: Bundle,
    hw: HwConfig,
    device: str,
    result: Result,
    bit_exact: bool | None,
    files: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Everything about one job, ready for JSON.

    bit_exact: outputs (and features, if returned) equal the reference's; None if not compared.
    mac_utilization: useful multiply-accumulates per cycle over those that the array could do. Cycle counts
    are null on a device without a clock. files: written files by kind.
    """
    perf, entry = result.perf, result.task
    cycles = perf.cycles
    return {
        "hw": hw.name,
        "model": bundle.model,
        "provenance": bundle.provenance,
        "task": entry.name,
        "device": device,
        "cycles": cycles,
        "clock_mhz": hw.clock_mhz,
        "latency_ms": None if cycles is None else round(cycles / hw.clock_mhz / 1e3, 4),
        "macs": entry.macs,
        "mac_utilization": None if not cycles else round(entry.macs / (cycles * hw.macs_per_cycle), 4),
        "array_busy": perf.array_busy,
        "stall_weight": perf.stall_weight,
        "stall_wait": perf.stall_wait,
        "ddr_bytes_read": perf.bytes_read,
        "ddr_bytes_written": perf.bytes_written,
        "sim_seconds": round(perf.seconds, 3),
        "bit_exact": bit_exact,
        "outputs": output_record(result, files or {}),
    }


def output_record(result: Result, files: Mapping[str, str]) -> dict[str, Any]:
    """Shape, scale and SHA-256 (of the little-endian int16 values) of each output, and of features if any.

    A map that the host computed in float has neither scale nor checksum: what is exact are its features.
    """
    outputs: dict[str, Any] = {}
    arrays = {name: (values, result.task.scale) for name, values in result.outputs.items()}
    if result.host_map is not None:
        shape = list(result.host_map.shape)
        outputs[result.task.name] = {"shape": shape, "dtype": "float32", "computed_by": "host"}
    if result.raw_features is not None:
        arrays["features"] = (result.raw_features, result.feature_scale)
    for name, (values, scale) in arrays.items():
        digest = hashlib.sha256(np.ascontiguousarray(values, dtype="<i2").tobytes()).hexdigest()
        outputs[name] = {"shape": list(values.shape), "dtype": "int16", "scale": scale, "sha256": digest}
    outputs[result.task.name]["files"] = dict(files)
    return outputs


def same_as_graph(result: Result, expected: Execution) -> bool:
    """Has a device computed every integer of the graph's execution? Features count where they were asked
    for, a map where the device computes it."""
    maps = expected.output is None or np.array_equal(result.outputs[result.task.name], expected.output)
    return maps and (result.raw_features is None or np.array_equal(result.raw_features, expected.features))


def same_result(first: Result, second: Result) -> bool:
    """Do two results of one job agree in every integer?"""
    if first.outputs.keys() != second.outputs.keys():
        return False
    if (first.raw_features is None) != (second.raw_features is None):
        return False
    maps = all(np.array_equal(first.outputs[name], second.outputs[name]) for name in first.outputs)
    if first.raw_features is None or second.raw_features is None:
        return maps
    return maps and np.array_equal(first.raw_features, second.raw_features)
