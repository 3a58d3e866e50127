# SPDX-License-Identifier: Apache-2.0
"""The report of a synthesis: as plain data (JSON), as tables, and what in it is not acceptable."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from peritus.eda.yosys.netlist import AREA_TYPES, Analysis, LogicPath, Memory

# What an LFE5U-85F holds.
DEVICE = "LFE5U-85F"
CAPACITY = {"LUT4": 83_640, "TRELLIS_FF": 83_640, "MULT18X18D": 156, "DP16KD": 208}
# TRELLIS_DPR16X4 uses the four LUTs of two slices for data, two more for its write port.
LUTS_PER_LUT_RAM = 6
LUTS_PER_CARRY = 2
KEPT_PATHS = 100
HEADINGS = {"TRELLIS_FF": "FF", "TRELLIS_DPR16X4": "LUT RAM", "MULT18X18D": "MULT18", "DP16KD": "BRAM18"}


def report(analysis: Analysis, memories: Sequence[Memory], *, top: str, tool: str) -> dict[str, Any]:
    """Plain data: instances (own cells, and total with those inside), memories, paths deepest first."""
    return {
        "top": top,
        "yosys": tool,
        "device": {"name": DEVICE, **CAPACITY},
        "instances": [
            {
                "path": instance.path,
                "module": instance.module,
                "own": _area(instance.own),
                "total": _area(instance.total),
                "deepest": _path(instance.deepest) if instance.deepest else None,
            }
            for instance in analysis.instances.values()
        ],
        "memories": [
            {
                "instance": memory.instance,
                "module": memory.module,
                "words": memory.words,
                "width": memory.width,
                "style": memory.style,
                "kind": memory.kind,
                "cells": sum(memory.cells.values()),
            }
            for memory in memories
        ],
        "paths": [_path(path) for path in analysis.paths[:KEPT_PATHS]],
    }


def _area(cells: Mapping[str, int]) -> dict[str, int]:
    return {kind: cells.get(kind, 0) for kind in AREA_TYPES}


def _path(path: LogicPath) -> dict[str, Any]:
    return {"levels": path.levels, "start": path.start, "end": path.end, "through": list(path.blocks)}


def problems(report: Mapping[str, Any], max_levels: int, *, must_fit: bool = True) -> list[str]:
    """One line for each finding that must not stay; `must_fit`: in the device."""
    found = []
    used = _utilization(report)
    found += [
        f"{used[kind]} {kind} used, the {DEVICE} has {limit}"
        for kind, limit in CAPACITY.items()
        if must_fit and used[kind] > limit
    ]
    for memory in report["memories"]:
        size = f"{memory['words']} x {memory['width']} bits"
        if memory["style"] == "block" and memory["kind"] != "block":
            found.append(f"{memory['instance']}: {size} should be block RAM and is {memory['kind']}")
        elif memory["style"] and memory["kind"] == "registers":
            found.append(f"{memory['instance']}: {size} should be RAM and is registers")
    for path in report["paths"]:
        if path["levels"] > max_levels:
            found.append(f"{path['levels']} levels of logic from {path['start']} to {path['end']}")
    return found


def _utilization(report: Mapping[str, Any]) -> dict[str, int]:
    """Cells of the whole design; LUT4 with those that carry chains and distributed RAM take."""
    total: Mapping[str, int] = report["instances"][0]["total"]
    luts = total["LUT4"] + LUTS_PER_CARRY * total["CCU2C"] + LUTS_PER_LUT_RAM * total["TRELLIS_DPR16X4"]
    return {**total, "LUT4": luts}


def show(report: Mapping[str, Any], console: Console, *, title: str, tree: int, paths: int) -> None:
    """Print the three tables; `tree` levels of the hierarchy below the top."""
    console.print(area_table(report, title, tree), memory_table(report), path_table(report, paths))


def area_table(report: Mapping[str, Any], title: str, tree: int) -> Table:
    """Cells of every instance with all that it contains; the deepest path that ends in it."""
    table = Table(title=title, title_justify="left")
    table.add_column("instance", no_wrap=True)
    table.add_column("module", no_wrap=True)
    for kind in [*AREA_TYPES, "levels"]:
        table.add_column(HEADINGS.get(kind, kind), justify="right")
    instances = {entry["path"]: entry for entry in report["instances"]}
    for path, entry in instances.items():
        outer = [path[:i] for i in range(len(path)) if path[i] == "." and path[:i] in instances]
        depth = len(outer) + 1 if path else 0
        if depth > tree:
            continue
        name = path[len(outer[-1]) + 1 :] if outer else path
        levels = entry["deepest"]["levels"] if entry["deepest"] else 0
        table.add_row(
            "  " * depth + name if path else entry["module"],
            entry["module"],
            *(str(entry["total"][kind] or "") for kind in AREA_TYPES),
            str(levels or ""),
        )
    used = _utilization(report)
    table.add_section()
    table.add_row(
        f"of an {DEVICE}",
        "",
        *(f"{100 * used[kind] / CAPACITY[kind]:.0f} %" if kind in CAPACITY else "" for kind in AREA_TYPES),
        "",
    )
    table.caption = "LUT4 in percent counts carry chains and distributed RAM as well."
    return table


def memory_table(report: Mapping[str, Any]) -> Table:
    """Every RAM, equal ones in one row."""
    table = Table(title="Memories", title_justify="left")
    for heading in ("instance", "words", "bits", "asked for", "is", "cells"):
        table.add_column(heading, justify="right" if heading in ("words", "bits", "cells") else "left")
    shape = ("words", "width", "style", "kind", "cells")
    groups: dict[tuple[Any, ...], list[str]] = {}
    for memory in report["memories"]:
        parent = memory["instance"].split("[")[0]
        groups.setdefault((parent, *(memory[key] for key in shape)), []).append(memory["instance"])
    for (_, words, width, style, kind, cells), instances in groups.items():
        name = instances[0] if len(instances) == 1 else f"{instances[0]} and {len(instances) - 1} more"
        table.add_row(name, str(words), str(width), style, kind, str(cells or ""))
    return table


def path_table(report: Mapping[str, Any], count: int) -> Table:
    """The deepest paths, one for each register that they end in."""
    table = Table(title="Deepest logic between registers", title_justify="left")
    table.add_column("levels", justify="right")
    table.add_column("from")
    table.add_column("to")
    for path in report["paths"][:count]:
        table.add_row(str(path["levels"]), path["start"], path["end"])
    return table
