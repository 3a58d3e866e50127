# SPDX-License-Identifier: Apache-2.0
"""peritus info: what is inside a bundle or a model file."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from peritus import api
from peritus.bundle import TOGETHER, Bundle
from peritus.bundle.disassemble import disassemble
from peritus.cli.common import JsonOption, output_console, reports_errors, write_json
from peritus.cli.imported import imported_record, nodes_table, read_imported
from peritus.ir import IMAGE, QuantModel, affines


@reports_errors
def info_command(
    file: Annotated[str, typer.Argument(help="A bundle, a model file, or the name of a shipped model.")],
    nodes: Annotated[
        bool, typer.Option("--nodes", "-n", help="What every node of a .onnx export became.")
    ] = False,
    program: Annotated[bool, typer.Option("--program", "-p", help="Disassemble a bundle's program.")] = False,
    json_target: JsonOption = None,
) -> None:
    """Describe a bundle or a quantized model."""
    console = output_console(json_target)
    path = Path(file)
    if path.suffix == ".onnx":
        imported = read_imported(file, console)
        console.print(model_table(imported.model))
        if nodes:
            console.print(nodes_table(imported))
        write_json({**model_record(imported.model), **imported_record(imported)}, json_target)
        return
    if path.suffix == ".safetensors" or file in api.model_names():
        model = api.load_model(file)
        console.print(model_table(model))
        write_json(model_record(model), json_target)
        return
    bundle = Bundle.load(path)
    console.print(bundle_table(bundle, path))
    record = bundle_record(bundle)
    if program:
        lines = disassemble(bundle)
        record["program"] = lines
        for line in lines:
            console.print(line, highlight=False, soft_wrap=True)
    write_json(record, json_target)


def bundle_record(bundle: Bundle) -> dict[str, Any]:
    """What a bundle contains, for JSON."""
    opcodes = Counter(instruction.opcode.name for instruction in bundle.instructions)
    return {
        "model": bundle.model,
        "provenance": bundle.provenance,
        "hw": bundle.hw.name,
        "config_hash": f"{bundle.hw.hash64:#018x}",
        "image": list(bundle.frame.shape),
        "tasks": [
            {
                "name": t.name,
                "kind": t.kind,
                "map": [t.rows, t.columns, t.channels],
                "scale": t.scale,
                "macs": t.macs,
                "on_host": t.host,
            }
            for t in bundle.tasks
        ],
        "together_macs": bundle.together or None,
        "features": [bundle.features.tokens, bundle.features.channels],
        "instructions": dict(opcodes),
        "fetch_entries": len(bundle.fetches),
        "weight_bytes": len(bundle.weights),
        "program_bytes": len(bundle.program),
        "memory_words": dict(bundle.memory),
    }


def bundle_table(bundle: Bundle, path: Path) -> Table:
    """What a bundle contains, for people."""
    table = Table(
        title=f"{path.name}: {bundle.model} for {bundle.hw.name}", show_header=False, title_justify="left"
    )
    table.add_row("weights from", bundle.provenance)
    table.add_row("configuration", f"{bundle.hw.name} {bundle.hw.hash64:#018x}")
    table.add_row("image", f"{' x '.join(map(str, bundle.frame.shape))} uint8")
    for task in bundle.tasks:
        shape = f"{task.rows} x {task.columns} x {task.channels}"
        made = "float32, on the host" if task.host else "int16"
        table.add_row(f"task {task.name}", f"{task.kind}, {shape} {made}, {task.macs / 1e6:.1f} M MAC")
    if bundle.together:
        table.add_row(f"task {TOGETHER}", f"all of them in one job, {bundle.together / 1e6:.1f} M MAC")
    table.add_row("features", f"{bundle.features.tokens} x {bundle.features.channels}")
    opcodes = Counter(instruction.opcode.name for instruction in bundle.instructions)
    table.add_row("program", ", ".join(f"{count} {name}" for name, count in opcodes.most_common()))
    table.add_row("weights", f"{len(bundle.weights) / 1e6:.2f} MB in {len(bundle.fetches)} segments")
    for memory, words in bundle.memory.items():
        table.add_row(memory.replace("_", " "), f"{words} of {getattr(bundle.hw, memory)}")
    return table


def weight_counts(model: QuantModel) -> Counter[int]:
    """Number of weights by their bits; a gate that tasks share counts once."""
    matrices = {id(a.weight): a for node in model.graph.nodes for a in affines(node)}
    counts: Counter[int] = Counter()
    for affine in matrices.values():
        counts[affine.weight_bits] += affine.weight.size
    return counts


def model_record(model: QuantModel) -> dict[str, Any]:
    """What a model contains, for JSON."""
    types = model.graph.types
    return {
        "model": model.name,
        "provenance": model.provenance,
        "config": dict(model.config),
        "weights": {f"int{bits}": count for bits, count in sorted(weight_counts(model).items())},
        "tasks": [
            {"name": t.name, "kind": t.kind, "channels": t.channels, "scale": t.scale}
            for t in model.graph.tasks
        ],
        "nodes": [
            {"name": n.name, "op": type(n).__name__, "inputs": list(n.inputs), "type": str(types[n.name])}
            for n in model.graph.nodes
        ],
    }


def model_table(model: QuantModel) -> Table:
    """What a model contains, for people."""
    table = Table(title=f"model {model.name}", show_header=False, title_justify="left")
    table.add_row("weights from", model.provenance)
    table.add_row("image", f"{' x '.join(map(str, model.graph.types[IMAGE].shape))} uint8")
    for key, value in model.config.items():
        table.add_row(key, str(value))
    for task in model.graph.tasks:
        made = "on the host" if task.host else f"LSB {task.scale:.3g}"
        table.add_row(f"task {task.name}", f"{task.kind}, {task.channels} channels, {made}")
    for bits, count in sorted(weight_counts(model).items()):
        compiled = "" if bits == 8 else ", in a bundle int8"
        table.add_row(f"int{bits} weights", f"{count:,}{compiled}")
    operations = Counter(type(node).__name__ for node in model.graph.nodes)
    table.add_row("operations", ", ".join(f"{count} {name}" for name, count in operations.most_common()))
    return table
