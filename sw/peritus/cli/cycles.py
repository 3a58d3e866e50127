# SPDX-License-Identifier: Apache-2.0
"""peritus cycles: where the cycles of a frame go, by the cycle model and, if asked for, on the RTL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from peritus.bundle import Bundle
from peritus.cli.common import (
    HwOption,
    JsonOption,
    TraceOption,
    busy,
    open_with_progress,
    output_console,
    reports_errors,
    write_json,
)
from peritus.cli.frames import image_for, model_bundle
from peritus.cycles.errors import CycleError
from peritus.runtime.rtl.simulation import DdrParameters
from peritus.runtime.timeline import Cause, Timeline

if TYPE_CHECKING:
    from peritus.pages.account import Layer

WAITS = 3  # causes that the table names of a layer


@reports_errors
def cycles_command(
    model: Annotated[
        str, typer.Argument(help="Name of a shipped model, a .safetensors model, .onnx export or .bundle.")
    ],
    hw: HwOption = "zcu104",
    task: Annotated[str | None, typer.Option(help="Task; default: the first.")] = None,
    features: Annotated[bool, typer.Option("--features", help="The features are written as well.")] = False,
    image_file: Annotated[
        Path | None,
        typer.Option("--image", help="Photo that is routed, cropped and scaled; default: the shipped scene."),
    ] = None,
    even: Annotated[bool, typer.Option("--even", help="Every expert gets as many tokens instead.")] = False,
    rtl: Annotated[bool, typer.Option("--rtl", help="Run the frame on the RTL, too, and compare.")] = False,
    ports: Annotated[
        list[str] | None,
        typer.Option(help="Also with ports of so many bytes a cycle, as 12,12,12,6; may be repeated."),
    ] = None,
    trace: TraceOption = None,
    json_target: JsonOption = None,
) -> None:
    """Predict the cycles of a frame, by cause and by layer, without a simulator."""
    from peritus.cycles import even_routing, predict, routing_of
    from peritus.pages import account
    from peritus.pages.perfetto import write_trace
    from peritus.pages.subject import MODEL, RTL, of_timelines

    console = output_console(json_target)
    with busy(f"Compiling {model} for {hw}"):
        bundle = model_bundle(model, hw)
    name = task or bundle.tasks[0].name
    image = image_for(bundle, image_file)
    with busy("Routing"):
        routing = even_routing(bundle, name) if even else routing_of(bundle, image, name)
    memories = {text: _memory(bundle, text) for text in ("", *(ports or []))}
    predicted = {
        text: predict(bundle, name, routing, features=features, ddr=ddr) for text, ddr in memories.items()
    }
    prediction = predicted[""]
    timelines: dict[str, Timeline] = {}
    for text, ddr in memories.items():
        timelines[f"{MODEL} {text}".strip()] = predicted[text].timeline
        if rtl:
            timelines[f"{RTL} {text}".strip()] = _simulated(bundle, image, name, features, ddr)
    title = f"{bundle.model} on {bundle.hw.name}, task {name}"
    console.print(_causes_table(title, timelines))
    index, rate = bundle.task_index(name), bundle.hw.ddr.bytes_per_cycle
    steps = account.steps(bundle, prediction.timeline, index, features=features, cold=False)
    layers = account.layers(bundle, steps, rate)
    console.print(_layers_table(layers))
    if trace is not None:
        plain = {who: timelines[who] for who in (MODEL, RTL) if who in timelines}
        subject = of_timelines(bundle, name, features, routing, plain)
        slices = write_trace(trace, subject)
        console.print(f"Trace: {trace}, {slices:,} slices for ui.perfetto.dev", soft_wrap=True)
    record: dict[str, Any] = {
        "model": bundle.model,
        "hw": bundle.hw.name,
        "task": name,
        "cycles": {who: timeline.cycles for who, timeline in timelines.items()},
        "weight_bytes": prediction.weight_bytes,
        "causes": {
            who: {cause.name.lower(): n for cause, n in timeline.causes().most_common()}
            for who, timeline in timelines.items()
        },
        "layers": [{"name": layer.name, "cycles": layer.cycles, "busy": layer.busy} for layer in layers],
    }
    write_json(record, json_target)


def _memory(bundle: Bundle, ports: str) -> DdrParameters:
    """That of the configuration, with ports of so many bytes a cycle each if any are said."""
    memory = DdrParameters.of(bundle.hw.ddr)
    if not ports:
        return memory
    try:
        rates = tuple(float(rate) for rate in ports.split(","))
    except ValueError:
        rates = ()
    if len(rates) != bundle.hw.axi_ports:
        raise CycleError(
            f"ports {ports!r}: {bundle.hw.name} has {bundle.hw.axi_ports}, give a number for each"
        )
    return replace(memory, port_bytes_per_cycle=rates)


def _simulated(bundle: Bundle, image: Any, task: str, features: bool, ddr: DdrParameters) -> Timeline:
    from peritus.runtime.rtl.device import RtlDevice

    with open_with_progress("rtl", bundle.hw, None, {"ddr": ddr}) as device:
        assert isinstance(device, RtlDevice)
        device.load(bundle)
        device.run(image, task=task)  # the first one after a load fills what stays on chip
        device.simulation.record_cycles()
        device.run(image, task=task, features=features)
        return device.timelines()[0]


def _causes_table(title: str, timelines: dict[str, Timeline]) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("cycles")
    for who in timelines:
        table.add_column(who, justify="right")
    table.add_column("share", justify="right")
    causes = [timeline.causes() for timeline in timelines.values()]
    total = next(iter(timelines.values())).cycles
    for cause in sorted(Cause, key=lambda cause: -causes[0][cause]):
        if any(found[cause] for found in causes):
            share = f"{causes[0][cause] / total:.1%}"
            table.add_row(cause.value, *(f"{found[cause]:,}" for found in causes), share)
    table.add_section()
    table.add_row("frame", *(f"{timeline.cycles:,}" for timeline in timelines.values()), "100.0%")
    if len(timelines) > 1:
        table.add_row("of the first", *(f"{timeline.cycles / total:.1%}" for timeline in timelines.values()))
    return table


def _layers_table(layers: Sequence[Layer]) -> Table:
    table = Table(title="by layer", title_justify="left")
    for column in ("layer", "instructions", "cycles", "array busy", "waits for"):
        table.add_column(column, justify="left" if column in ("layer", "waits for") else "right")
    for layer in layers:
        waits = ", ".join(f"{cause.value} {n:,}" for cause, n in layer.waits[:WAITS])
        table.add_row(layer.name, f"{layer.steps}", f"{layer.cycles:,}", f"{layer.busy:.1%}", waits)
    return table
