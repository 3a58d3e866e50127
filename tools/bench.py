# SPDX-License-Identifier: Apache-2.0
"""The benchmark: cycles a frame on cycle-accurate RTL, checked bit for bit, as the table of the README.

    python tools/bench.py [--image FILE] [--build] [--json FILE] [--hw NAME]

Cycles are exact and repeatable; seconds depend on the machine. --build also times builds without cache.
What a board's memory will sustain is not known: a second table has the same frames over a band of it.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

import peritus
from peritus.arch import load_config
from peritus.demo import SCENE
from peritus.image import fit_image
from peritus.ir.random_model import Dims, random_model
from peritus.photo import read_photo
from peritus.report import run_record, same_result
from peritus.runtime.rtl.device import build_rtl
from peritus.runtime.rtl.simulation import DdrParameters

DEIT = Dims(
    height=224,
    width=224,
    layers=12,
    moe_layers=(),
    task_channels=(),
    classes=1000,
    d=192,
    heads=3,
    hidden=768,
)
SHAPES = {  # of published networks, with random weights
    "DeiT-Tiny shape": DEIT,
    "DeiT-Small shape": replace(DEIT, d=384, heads=6, hidden=1536),
}
PAIRS = (
    ("zcu104", "m3vit_tiny_int4"),
    ("zcu104", "m3vit_tiny"),
    ("edge", "m3vit_tiny"),
    ("nano", "m3vit_micro"),
    *(("zcu104_vit", shape) for shape in SHAPES),
)
# Sustained GB/s of a 64-bit DDR4-2400. The most measured on a ZCU102 is 75 % of its peak, 19.2 (Manev,
# Vaishnav, Koch: Unexpected Diversity, FPT 2019); the lower end is an assumption of ours.
BAND_GB_S = (8.4, 12.6, 14.4)
BANDED = PAIRS[:2]
COLUMNS = (
    "hw",
    "model",
    "task",
    "cycles",
    "first frame",
    "latency ms",
    "MAC/cycle",
    "array busy",
    "DDR read MB",
    "DDR written kB",
    "simulated s",
    "bit-exact",
)


def measure(hw_name: str, model: str, image_file: Path, features: bool) -> list[dict[str, Any]]:
    """One record per task of a model (peritus.report.run_record): whether features were stored, and cycles of
    the first frame after a load, which fills what stays on chip.
    """
    hw = load_config(hw_name)
    quantized = random_model(SHAPES[model]) if model in SHAPES else peritus.load_model(model)
    quantized = replace(quantized, name=model)
    bundle = peritus.compile(quantized, hw=hw)
    image = fit_image(read_photo(image_file), bundle.image_height, bundle.image_width)
    records = []
    with peritus.open_device("rtl", hw=hw) as device, peritus.open_device("reference", hw=hw) as reference:
        reference.load(bundle)
        for task in bundle.tasks:
            device.load(bundle)
            first, result = (device.run(image, task=task.name, features=features) for _ in range(2))
            expected = reference.run(image, task=task.name, features=features)
            exact = same_result(first, expected) and same_result(result, expected)
            record = run_record(bundle, hw, "rtl", result, exact)
            records.append({**record, "features": features, "first_cycles": first.perf.cycles})
    return records


def band(hw_name: str, model: str, image_file: Path) -> list[dict[str, Any]]:
    """One record per task of a model: cycles and ms at each of BAND_GB_S."""
    hw = load_config(hw_name)
    bundle = peritus.compile(peritus.load_model(model), hw=hw)
    image = fit_image(read_photo(image_file), bundle.image_height, bundle.image_width)
    records: dict[str, dict[str, Any]] = {
        task.name: {"hw": hw_name, "model": model, "task": task.name, "cycles": []} for task in bundle.tasks
    }
    for rate in BAND_GB_S:
        ddr = replace(DdrParameters.of(hw.ddr), bytes_per_cycle=1e3 * rate / hw.clock_mhz)
        with peritus.open_device("rtl", hw=hw, ddr=ddr) as device:
            device.load(bundle)
            device.run(image, task=bundle.tasks[0].name)  # fills what stays on chip
            for task, record in records.items():
                record["cycles"].append(device.run(image, task=task).perf.cycles)
    for record in records.values():
        record["ms"] = [cycles / hw.clock_mhz / 1e3 for cycles in record["cycles"]]
    return list(records.values())


def print_band(records: list[dict[str, Any]]) -> None:
    """The second table."""
    print("\n| hw | model | task | " + " | ".join(f"ms at {rate:g} GB/s" for rate in BAND_GB_S) + " |")
    print("|---" * (3 + len(BAND_GB_S)) + "|")
    for record in records:
        cells = (record["hw"], record["model"], record["task"], *(f"{ms:.3f}" for ms in record["ms"]))
        print("| " + " | ".join(cells) + " |")


def row(record: dict[str, Any]) -> tuple[str, ...]:
    """A record as the table shows it."""
    return (
        record["hw"],
        record["model"],
        record["task"] + (" + features" if record["features"] else ""),
        f"{record['cycles']:,}",
        f"{record['first_cycles']:,}",
        f"{record['latency_ms']:.3f}",
        f"{record['macs'] / record['cycles']:.1f}",
        f"{record['array_busy'] / record['cycles']:.1%}",
        f"{record['ddr_bytes_read'] / 1e6:.2f}",
        f"{record['ddr_bytes_written'] / 1e3:.1f}",
        f"{record['sim_seconds']:.1f}",
        "yes" if record["bit_exact"] else "NO",
    )


def build_seconds(hw_name: str) -> float:
    """Seconds to build the simulator of a configuration with an empty cache."""
    with tempfile.TemporaryDirectory() as empty:
        start = time.perf_counter()
        build_rtl(load_config(hw_name), cache_dir=Path(empty))
        return time.perf_counter() - start


def main(
    image: Annotated[Path, typer.Option(help="Picture; default: the shipped scene.")] = SCENE,
    build: Annotated[
        bool, typer.Option("--build", help="Also time a simulator build without cache.")
    ] = False,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write all records here.")] = None,
    only: Annotated[str | None, typer.Option("--hw", help="Only this configuration.")] = None,
) -> None:
    """Print the table; exit status 1 if any frame is not bit-exact."""
    console = Console(stderr=True)
    records = []
    pairs = [pair for pair in PAIRS if only in (None, pair[0])]
    for hw_name, model in pairs:
        for features in (False, True):
            with console.status(f"{model} on {hw_name}"):
                records += measure(hw_name, model, image, features)
    print("| " + " | ".join(COLUMNS) + " |\n" + "|---" * len(COLUMNS) + "|")
    for record in records:
        print("| " + " | ".join(row(record)) + " |")
    banded = []
    for hw_name, model in (pair for pair in BANDED if pair in pairs):
        with console.status(f"{model} on {hw_name}, memory's band"):
            banded += band(hw_name, model, image)
    if banded:
        print_band(banded)
    if build:
        for hw_name in dict.fromkeys(hw for hw, _ in pairs):
            with console.status(f"building {hw_name}"):
                print(f"\nSimulator of {hw_name} built in {build_seconds(hw_name):.0f} s without cache.")
    if json_file:
        json_file.write_text(json.dumps({"frames": records, "band": banded}, indent=2))
    sys.exit(0 if all(record["bit_exact"] for record in records) else 1)


if __name__ == "__main__":
    typer.run(main)
