# SPDX-License-Identifier: Apache-2.0
"""peritus compile: quantized model to bundle."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from peritus import api
from peritus.cli.common import HwOption, JsonOption, busy, output_console, reports_errors, write_json
from peritus.cli.imported import imported_record, read_imported
from peritus.cli.info import bundle_record, bundle_table
from peritus.compiler.expert_use import read_expert_use


@reports_errors
def compile_command(
    model: Annotated[
        str, typer.Argument(help="Name of a shipped model, a .safetensors model or a .onnx export.")
    ],
    hw: HwOption = "zcu104",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Bundle to write; default: MODEL-HW.bundle.")
    ] = None,
    together: Annotated[
        bool, typer.Option("--together", help="With a job of all tasks of an image: --task together.")
    ] = False,
    expert_use: Annotated[
        Path | None,
        typer.Option("--expert-use", help="Of `peritus sparsity --json`: seldom used experts come last."),
    ] = None,
    json_target: JsonOption = None,
) -> None:
    """Compile a quantized model for a hardware configuration."""
    console, record = output_console(json_target), {}
    if Path(model).suffix == ".onnx":
        imported = read_imported(model, console)
        quantized, record = imported.model, imported_record(imported)
    else:
        quantized = api.load_model(model)
    use = None if expert_use is None else read_expert_use(expert_use)
    with busy(f"Compiling {model} for {hw}"):
        bundle = api.compile(quantized, hw=hw, together=together, use=use)
        path = output or Path(f"{Path(model).stem}-{bundle.hw.name}.bundle")
        path.parent.mkdir(parents=True, exist_ok=True)
        bundle.save(path)
    console.print(bundle_table(bundle, path))
    write_json({**bundle_record(bundle), "bundle": str(path), **record}, json_target)
