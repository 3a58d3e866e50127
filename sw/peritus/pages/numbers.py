# SPDX-License-Identifier: Apache-2.0
"""All numbers of a page as plain data: what its tables and charts show, and what it embeds as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from peritus.arch.config import HwConfig
from peritus.eda.yosys.xcup import CAPACITY, DEVICE
from peritus.explore.area import area_of
from peritus.pages import account
from peritus.pages.account import Layer
from peritus.pages.built import Built
from peritus.pages.energy import energy_of
from peritus.pages.peers import PEERS
from peritus.pages.subject import MODEL, MODEL_ERROR, Frame, Subject

LESS_MHZ = 1500 / 7  # a lower clock that a Zynq can make (docs/boards/README.md), for who does not trust 300


def numbers(subject: Subject, built: Built | None = None) -> dict[str, Any]:
    """Everything about a subject, ready for JSON; None where something is not known.

    built: what tools said of its configuration.
    """
    built = built or Built()
    hw = subject.program.hw if subject.program else None
    return {
        "title": subject.title,
        "missing": list(subject.missing),
        "origin": vars(subject.origin) if subject.origin else None,
        "provenance": subject.program.provenance if subject.program else None,
        "warning": subject.program.origin.warning if subject.program else None,
        "hw": {"name": hw.name, "hash": f"{hw.hash64:#018x}", **hw.table()} if hw else None,
        "memory": _memory(subject),
        "resources": _resources(hw, built) if hw else None,
        "worst_ns": built.worst_ns,
        "power": vars(built.power) if built.power else None,
        "frames": [_frame(subject, frame) for frame in subject.frames],
    }


def _memory(subject: Subject) -> dict[str, Any] | None:
    memory = subject.memory
    if memory is None:
        return None
    names = ("read_latency", "bytes_per_cycle", "write_latency", "jitter", "refresh_cycles", "outstanding")
    return {name: getattr(memory, name) for name in names}


def _resources(hw: HwConfig, built: Built) -> dict[str, Any]:
    area = area_of(hw)
    used = {"DSP48E2": area.dsp, "URAM288": area.uram, "RAMB36": area.bram}
    rows = built.resources or tuple((kind, count, CAPACITY[kind]) for kind, count in used.items())
    source = built.source or f"arithmetic, of an {DEVICE}; Vivado was not run"
    return {"source": source, "rows": [list(row) for row in rows]}


def _frame(subject: Subject, frame: Frame) -> dict[str, Any]:
    hw = subject.program.hw if subject.program else None
    cycles = frame.cycles
    experts = _experts(subject, frame)
    found: dict[str, Any] = {
        "task": frame.task,
        "features": frame.features,
        "cold": frame.cold,
        "source": frame.source,
        "error": MODEL_ERROR if frame.source == MODEL else None,
        "cycles": cycles,
        "notes": list(frame.notes),
        "bit_exact": frame.bit_exact,
        "macs": frame.macs,
        "counters": vars(frame.counters) if frame.counters else None,
        "routing": [list(row) for _, row in experts] if frame.routing is not None else None,
        "gates": [name for name, _ in experts],
    }
    if hw is None or frame.total is None or not cycles:
        return {
            **found,
            "causes": None,
            "layers": [],
            "snr_db": {},
            "total": None,
            "ideal": None,
            "energy": None,
        }
    clocks = [hw.clock_mhz, *([LESS_MHZ] if hw.clock_mhz > LESS_MHZ else [])]
    causes = frame.total.causes
    energy = energy_of(hw, frame.total, frame.macs)
    low, high = energy.millijoules
    return {
        **found,
        "ms": {f"{mhz:.4g}": cycles / mhz / 1e3 for mhz in clocks},
        "fps": hw.clock_mhz * 1e6 / cycles,
        "macs_per_cycle": frame.macs / cycles,
        "slices": len(frame.timeline) if frame.timeline else 0,
        "causes": {cause.name: count for cause, count in causes.most_common() if count},
        "ideal": _ideal(hw, subject, frame),
        "total": _layer(frame.total, cycles),
        "layers": [_layer(layer, cycles) for layer in frame.layers],
        "snr_db": _snr_db(subject, frame),
        "energy": {
            "millijoules": [low, high],
            "gops_per_watt": list(energy.gops_per_watt),
            "measured_by_others": [
                [peer.name, peer.gops_per_watt, peer.device, peer.source]
                for peer in PEERS
                if peer.gops_per_watt
            ],
            "parts": [{**vars(part), "millijoules": list(part.millijoules)} for part in energy.parts],
        },
    }


def _experts(subject: Subject, frame: Frame) -> list[tuple[str, tuple[int, ...]]]:
    """Tokens of each expert by the name of their gate; by its number where there is no program."""
    routing, program = frame.routing or (), subject.program
    if program is None:
        return [(f"gate {number}", row) for number, row in enumerate(routing)]
    return account.tokens_of_experts(program, program.task_index(frame.task), routing) if routing else []


def _ideal(hw: HwConfig, subject: Subject, frame: Frame) -> dict[str, float]:
    """Cycles that the network's own work needs at least: of the array, of the memory."""
    assert frame.total is not None and subject.memory is not None
    return {
        "array": frame.macs / hw.macs_per_cycle,
        "memory": frame.total.bytes / subject.memory.bytes_per_cycle,
    }


def _layer(layer: Layer, cycles: int) -> dict[str, Any]:
    return {
        "name": layer.name,
        "instructions": layer.steps,
        "cycles": layer.cycles,
        "share": layer.cycles / cycles,
        "busy": layer.busy,
        "ideal": layer.ideal,
        "memory": layer.memory,
        "macs": layer.macs,
        "bytes": layer.bytes,
        "waits": [[cause.name, count] for cause, count in layer.waits],
    }


def _snr_db(subject: Subject, frame: Frame) -> dict[str, float | None]:
    """SNR of the residual stream against the float network by the layer behind which it was measured, the
    last one of each block; None where the weights do not say it."""
    ends: dict[str, str] = {}
    for layer in frame.layers:
        kind, _, rest = layer.name.partition(".")
        if kind == "blocks":
            ends[rest.partition(".")[0]] = layer.name
    measured = subject.program.origin.snr_db if subject.program else ()
    if len(measured) != len(ends):  # of another network, or not measured
        return dict.fromkeys(ends.values())
    return dict(zip(ends.values(), measured, strict=True))


def differences(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Frame by frame of the same task (else in order), by cause and by layer: largest difference first."""
    others = list(second["frames"])
    found = []
    for number, frame in enumerate(first["frames"]):
        same = [other for other in others if other["task"] == frame["task"]]
        other = same[0] if same else (others[number] if number < len(others) else None)
        if other is None or not frame["causes"] or not other["causes"]:
            continue
        found.append(
            {
                "tasks": [frame["task"], other["task"]],
                "sources": [frame["source"], other["source"]],
                "cycles": [frame["cycles"], other["cycles"]],
                "bytes": [frame["total"]["bytes"], other["total"]["bytes"]],
                "causes": _changes(frame["causes"], other["causes"]),
                "layers": _changes(_cycles(frame["layers"]), _cycles(other["layers"])),
                "configuration": _settings(first["hw"], second["hw"]),
            }
        )
    return found


def _cycles(layers: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    return {layer["name"]: layer["cycles"] for layer in layers}


def _changes(first: Mapping[str, int], second: Mapping[str, int]) -> list[list[Any]]:
    rows = [
        [name, first.get(name, 0), second.get(name, 0), second.get(name, 0) - first.get(name, 0)]
        for name in {**first, **second}
    ]
    return sorted((row for row in rows if row[3]), key=lambda row: -abs(row[3]))


def _settings(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[list[Any]]:
    return [[name, first[name], second[name]] for name in first if first[name] != second.get(name)]
