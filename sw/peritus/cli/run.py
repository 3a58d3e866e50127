# SPDX-License-Identifier: Apache-2.0
"""peritus run: one image through a bundle."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from peritus.arch.ip import bitstream_name
from peritus.bundle import TOGETHER, Bundle
from peritus.cli.common import (
    DeviceOption,
    JsonOption,
    TimeoutOption,
    TraceOption,
    open_with_progress,
    output_console,
    reports_errors,
    takes_device_options,
    write_json,
    write_picture,
)
from peritus.cli.jobs import equals_reference, explain_mismatch, power_up_of, results_table, run_job
from peritus.image import as_rgb, check_image, with_channels
from peritus.photo import photo_for, read_photo
from peritus.report import render, render_all, run_record
from peritus.report.pictures import FEATURES, IMAGE, task_file
from peritus.runtime import Result


@takes_device_options
@reports_errors
def run_command(
    bundle_file: Annotated[Path, typer.Argument(metavar="BUNDLE", help="Written by `peritus compile`.")],
    image_file: Annotated[Path, typer.Option("--image", help="Photo, of the bundle's image size.")],
    task: Annotated[str, typer.Option(help="Task of the bundle (see `peritus info`).")],
    device: DeviceOption = "iss",
    check: Annotated[bool, typer.Option("--check", help="Compare every integer with the reference.")] = False,
    features: Annotated[
        bool, typer.Option("--features", help="Also return the last block's features.")
    ] = False,
    resize: Annotated[
        bool, typer.Option("--resize", help="Crop and scale the photo to the bundle's size.")
    ] = False,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder for the maps (.npy) and the picture (.png).")
    ] = None,
    trace: TraceOption = None,
    timeout: TimeoutOption = None,
    json_target: JsonOption = None,
    *,
    device_options: dict[str, Any],
) -> None:
    """Run one image through a bundle on a device."""
    from peritus.cli.recorded import named, recorded_job, run_of, write_record
    from peritus.pages import of_run
    from peritus.pages.perfetto import write_trace

    bundle = Bundle.load(bundle_file)
    hw = bundle.hw
    bundle.task_index(task)
    if resize:
        image = photo_for(image_file, bundle.frame.shape)
    else:
        image = check_image(with_channels(read_photo(image_file), bundle.frame.channels), *bundle.frame.shape)
    beside = bundle_file.with_name(bitstream_name(hw))
    offered = {"bitstream": beside, "preloaded": bundle}
    with open_with_progress(device, hw, timeout, device_options, **offered) as opened:
        device, power_up = opened.name, power_up_of(opened)
        hw = getattr(opened, "hw", hw)  # a board runs at the clock that its bitstream was built for
        opened.load(bundle)
        if output is None and trace is None:  # a record costs a trace of the simulator, or of the RTL
            result, frame = run_job(opened, image, task, features), None
        else:
            result, frame = recorded_job(opened, bundle, image, task, features, first=True)
    exact = equals_reference(bundle, hw, image, task, result, device) if check else None
    parts = result.by_task()
    files = (
        {part.task.name: _write_files(part, image, output) for part in parts} if output is not None else {}
    )
    said = []
    if frame is not None:
        if output is not None:
            shown = files[result.task.name] | _write_all(result, image, output)
            frame = named(frame, exact=exact, image=shown["image"], picture=shown["picture"])
        run = run_of(opened, power_up, bundle, [frame])
        if output is not None:
            said.append(write_record(output, run))
        if trace is not None:
            slices = write_trace(trace, of_run(run))
            said.append(f"Trace: {trace}, {slices:,} slices for ui.perfetto.dev")
    records = [run_record(bundle, hw, device, part, exact, files.get(part.task.name)) for part in parts]
    output_console(json_target).print(results_table(records, f"{bundle.model} on {hw.name}"))
    for part, record in zip(parts, records, strict=True):
        if part.task.host:
            output_console(json_target).print(
                f"{task}: computed on the host, by ONNX Runtime, of the device's features"
            )
        if part.task.kind == "classification":
            record["top"] = part.top()
            for name, share in part.top():
                output_console(json_target).print(f"{share:7.1%}  {name}", highlight=False)
    if bundle.origin.warning is not None:
        output_console(json_target).print(bundle.origin.warning)
    for line in said:
        output_console(json_target).print(line, soft_wrap=True)
    write_json(records[0] if len(records) == 1 else {"task": task, "parts": records}, json_target)
    if exact is False:
        raise explain_mismatch(bundle, hw, image, task, device, features, power_up)


def _write_all(result: Result, image: np.ndarray, folder: Path) -> dict[str, str]:  # type: ignore[type-arg]
    """One picture of the maps of several tasks; nothing of one task's, which has its own."""
    if not result.others:
        return {}
    return {"picture": write_picture(render_all(result, image), folder / f"{TOGETHER}.png")}


def _write_files(result: Result, image: np.ndarray, folder: Path) -> dict[str, str]:  # type: ignore[type-arg]
    """Map, features, image and picture; their paths by kind."""
    folder.mkdir(parents=True, exist_ok=True)
    name = task_file(result.task.name)
    arrays = {"map": (folder / f"{name}.npy", result.dequantized())}
    if result.features is not None:
        arrays["features"] = (folder / f"{name}{FEATURES}.npy", result.features)
    for path, values in arrays.values():
        np.save(path, values)
    files = {kind: str(path) for kind, (path, _) in arrays.items()}
    files["image"] = write_picture(as_rgb(image), folder / f"{name}{IMAGE}.png")
    return {**files, "picture": write_picture(render(result, image), folder / f"{name}.png")}
