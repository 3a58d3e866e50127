# SPDX-License-Identifier: Apache-2.0
"""What the commands say of a QONNX file that they read."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.table import Table

if TYPE_CHECKING:
    from peritus.frontends.qonnx_file import ImportedModel


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
