# SPDX-License-Identifier: Apache-2.0
"""peritus demo: a street scene through the accelerator's RTL, with proof of every bit."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from peritus import api
from peritus.arch.config import load_config
from peritus.cli.common import (
    DeviceOption,
    HwOption,
    JsonOption,
    TimeoutOption,
    busy,
    open_with_progress,
    output_console,
    reports_errors,
    write_json,
    write_picture,
)
from peritus.cli.jobs import (
    REFERENCE,
    equals_reference,
    explain_mismatch,
    power_up_of,
    results_table,
)
from peritus.demo import SCENE
from peritus.devices import find_device
from peritus.image import as_rgb
from peritus.photo import photo_for
from peritus.report import render, run_record
from peritus.report.pictures import task_file

if TYPE_CHECKING:
    from peritus.report.run_parts import FrameRecord

DEFAULT_MODEL = "m3vit_tiny_int4"


@reports_errors
def demo_command(
    image_file: Annotated[
        Path | None, typer.Option("--image", help="Your picture; default: the shipped scene.")
    ] = None,
    model: Annotated[str, typer.Option(help="A shipped model or a model file.")] = DEFAULT_MODEL,
    hw: HwOption = "zcu104",
    device: DeviceOption = "rtl",
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for pictures and JSON.")] = Path(
        "build/demo"
    ),
    timeout: TimeoutOption = None,
    json_target: JsonOption = None,
) -> None:
    """Turn a street scene into segmentation and depth maps, and compare every integer with the reference."""
    from peritus.cli.recorded import named, recorded_job, run_of, write_record

    console = output_console(json_target)
    config = load_config(hw)
    source = image_file or SCENE
    with busy(f"Compiling {model} for {hw}"):
        bundle = api.compile(api.load_model(model), hw=config)
    image = photo_for(source, bundle.frame.shape)
    picture = write_picture(as_rgb(image), output / "image.png")
    device = find_device(device).name
    console.print(
        f"{bundle.model} on {hw}, device {device}: {source.name} as {image.shape[1]} x {image.shape[0]}"
    )
    records: list[dict[str, Any]] = []
    frames: list[FrameRecord] = []
    with open_with_progress(device, config, timeout) as opened:
        power_up = power_up_of(opened)
        opened.load(bundle)
        for task in bundle.tasks:
            result, frame = recorded_job(opened, bundle, image, task.name, True, first=not frames)
            exact = equals_reference(bundle, config, image, task.name, result, device)
            files = {"picture": write_picture(render(result, image), output / f"{task_file(task.name)}.png")}
            frames.append(named(frame, exact=exact, image=picture, picture=files["picture"]))
            records.append(run_record(bundle, config, device, result, exact, files))
    console.print(results_table(records, f"{bundle.model} on {hw}, {config.clock_mhz} MHz"))
    console.print(bundle.origin.warning or f"Weights: {bundle.provenance}")
    console.print(f"Pictures and JSON are in {output}/")
    console.print(write_record(output, run_of(opened, power_up, bundle, frames)), soft_wrap=True)
    summary = {
        "model": bundle.model,
        "provenance": bundle.provenance,
        "untrained": bundle.untrained,
        "hw": hw,
        "device": device,
        "image": picture,
        "bit_exact": None if device == REFERENCE else all(record["bit_exact"] for record in records),
        "runs": records,
    }
    write_json(summary, str(output / "demo.json"))
    write_json(summary, json_target)
    for record in records:
        if record["bit_exact"] is False:
            raise explain_mismatch(bundle, config, image, record["task"], device, True, power_up)
