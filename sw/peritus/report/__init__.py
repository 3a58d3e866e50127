# SPDX-License-Identifier: Apache-2.0
"""What people see of a result: numbers and pictures."""

from peritus.report.heat_map import PlotError, expert_heat_map
from peritus.report.pictures import render, render_all
from peritus.report.record import output_record, run_record, same_as_graph, same_result

__all__ = [
    "PlotError",
    "expert_heat_map",
    "output_record",
    "render",
    "render_all",
    "run_record",
    "same_as_graph",
    "same_result",
]
