# SPDX-License-Identifier: Apache-2.0
"""What the commands say of a QONNX file that they read."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from peritus import api
from peritus.cli.common import busy

if TYPE_CHECKING:
    from peritus.frontends.qonnx_file import ImportedModel


def read_imported(file: str, console: Console) -> ImportedModel:
    """Read a QONNX file, and print how well it agrees with QONNX's own execution."""
    with busy(f"Reading {file} and running it in QONNX"):
        imported = api.import_qonnx(file)
    console.print(agreement_table(imported))
    return imported


def agreement_table(imported: ImportedModel) -> Table:
    """SNR of the integer graph against QONNX's own execution of the file."""
    table = Table(title="against QONNX's own execution", title_justify="left")
    table.add_column("task")
    table.add_column("of")
    table.add_column("SNR", justify="right")
    table.add_column("at least", justify="right")
    for row in imported.agreement:
        table.add_row(row.task, row.what, f"{row.snr_db:.1f} dB", f"{row.bound_db:g} dB")
    return table


def nodes_table(imported: ImportedModel) -> Table:
    """What every node of the file became."""
    table = Table(title="nodes of the file", title_justify="left")
    for column in ("node", "operator", "became"):
        table.add_column(column, overflow="fold")
    for row in imported.nodes:
        table.add_row(row.node, row.operator, row.became)
    return table


def imported_record(imported: ImportedModel) -> dict[str, Any]:
    """The same for JSON."""
    return {
        "agreement": [asdict(row) for row in imported.agreement],
        "onnx_nodes": [asdict(row) for row in imported.nodes],
    }
