# SPDX-License-Identifier: Apache-2.0
"""What the bundle says of a task."""

from __future__ import annotations

from peritus.arch.config import HwConfig
from peritus.bundle import TaskEntry
from peritus.compiler.layout import padded_channels
from peritus.compiler.macs import job_macs
from peritus.ir.graph import Graph
from peritus.ir.task import Task


def task_entry(graph: Graph, task: Task, hw: HwConfig) -> TaskEntry:
    """Of a task of the graph, by its head; of one whose map the host computes, by what the model says."""
    if task.host is not None:
        rows, columns = task.host
        macs = job_macs(graph, task.name)
        return TaskEntry(
            task.name,
            task.kind,
            task.classes,
            rows,
            columns,
            task.channels,
            task.channels,
            1.0,
            macs,
            host=True,
        )
    head = graph.head(task.name)
    return TaskEntry(
        name=task.name,
        kind=task.kind,
        classes=task.classes,
        rows=head.rows * head.upscale,
        columns=head.columns * head.upscale,
        channels=task.channels,
        padded_channels=padded_channels(task.channels, head.upscale, hw),
        scale=task.scale,
        macs=job_macs(graph, task.name),
    )
