# SPDX-License-Identifier: Apache-2.0
"""Pairs of a program and a configuration that nobody chose, on the RTL and by the cycle model.

  python -m tests.cycles.draw [--count N] [--start SEED] [--configured] [--hardware M] [--hardware-start SEED]

Networks, hardware, memory timing and modes are those of `peritus fuzz`; with --configured the memory is that
of the configuration. Each of the M configurations has a simulator to build. Prints a row for each pair, and
how many are within 1 % or 50 cycles.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated

import typer

from peritus.arch.config import HwConfig
from peritus.compiler import compile_model
from peritus.compiler.errors import CapacityError
from peritus.fuzz.case import Case, draw, draw_hardware
from peritus.fuzz.extremes import apply
from peritus.fuzz.play import image_of, other_modes
from peritus.ir.random_model import random_model
from peritus.runtime.rtl.device import RtlDevice
from peritus.runtime.rtl.simulation import DdrParameters
from tests.cycles.pairs import Pair, measure


def pair_of(case: Case, hw: HwConfig) -> Pair:
    """The first frame of a case's first job; CapacityError if its network is too large."""
    model = random_model(case.network, case.model_seed)
    graph = apply(model.graph, case.extremes, case.model_seed)
    bundle = compile_model(replace(model, graph=graph), hw)
    if case.modes:
        bundle = other_modes(bundle, case)
    _, images, task, features = case.jobs[0]
    image = image_of(images[0], bundle, case.model_seed)
    name = bundle.tasks[task % len(bundle.tasks)].name
    ddr = DdrParameters(**case.ddr) if case.ddr else None
    with RtlDevice(hw, ddr=ddr, power_up="zeros") as device:
        device.load(bundle)
        return measure(device, bundle, image, name, features=features, ddr=ddr)


def pairs(
    count: int, start: int, configurations: list[HwConfig], configured: bool
) -> Iterator[tuple[Case, HwConfig, Pair]]:
    """The first `count` of the seeds from `start` on whose network fits the configuration of its turn."""
    found, seed = 0, start
    while found < count:
        hw = configurations[found % len(configurations)]
        case = draw(seed, hw)
        if configured:
            case = replace(case, ddr={})
        seed += 1
        try:
            yield case, hw, pair_of(case, hw)
        except CapacityError:
            continue
        found += 1


def described(case: Case) -> str:
    """The memory that a case asks for."""
    ddr = case.ddr
    if not ddr:
        return "as configured"
    text = f"{ddr['bytes_per_cycle']:g} B/cycle, latency {ddr['read_latency']}, {ddr['outstanding']} open"
    if ddr["jitter"]:
        text += f", jitter {ddr['jitter']}"
    if ddr["refresh_period"]:
        text += ", refresh"
    return text + (f", held {ddr['stall']:.0%}" if ddr["stall"] else "")


def main(
    count: Annotated[int, typer.Option(min=1, help="Pairs.")] = 20,
    start: Annotated[int, typer.Option(min=0, help="Seed of the first program.")] = 9000,
    hardware: Annotated[int, typer.Option(min=1, help="Configurations among them.")] = 4,
    hardware_start: Annotated[int, typer.Option(min=0, help="Seed of the first configuration.")] = 9000,
    configured: Annotated[bool, typer.Option(help="Memory as configured.")] = False,
) -> None:
    """Draw pairs, measure both, print the errors."""
    print("| seed | array | ports | memory | RTL | model | error | |\n|---|---|---|---|---|---|---|---|")
    close, calm, calm_close = 0, 0, 0
    configurations = [draw_hardware(hardware_start + number) for number in range(hardware)]
    for case, hw, pair in pairs(count, start, configurations, configured):
        share = pair.error / pair.rtl.cycles
        verdict = "within" if pair.close else "beyond"
        print(
            f"| {case.seed} | {hw.pk}x{hw.pn} | {hw.axi_ports} x {hw.axi_data_bytes} B | {described(case)} "
            f"| {pair.rtl.cycles:,} | {pair.model.cycles:,} | {pair.error:+,} ({share:+.2%}) | {verdict} |",
            flush=True,
        )
        close += pair.close
        if not case.ddr.get("stall"):
            calm += 1
            calm_close += pair.close
    print(
        f"\n{close} of {count} within 1 % or 50 cycles; {calm_close} of {calm} where no channel is held back."
    )


if __name__ == "__main__":
    typer.run(main)
