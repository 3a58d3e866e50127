# SPDX-License-Identifier: Apache-2.0
"""Does it fit? The estimate of a board's configuration, and its table."""

from __future__ import annotations

from collections.abc import Callable

from rich.console import Group
from rich.table import Table

from peritus.eda.board import board_config
from peritus.eda.errors import DoesNotFit
from peritus.eda.yosys import xcup
from peritus.eda.yosys.estimate import Estimate, estimate


def estimate_board(name: str, *, timeout_s: float, progress: Callable[[str], None]) -> Estimate:
    """`peritus.eda.yosys.estimate.estimate` for a board's configuration, or for one by its own name.

    Raises:
        ConfigError: neither a board nor a configuration is called `name`.
    """
    return estimate(board_config(name), timeout_s=timeout_s, progress=progress)


def check_fits(result: Estimate) -> None:
    """DoesNotFit if there is more of anything than the device has."""
    total = result.total
    over = [
        f"{_number(total[kind])} {kind} of {xcup.CAPACITY[kind]:,}"
        for kind in xcup.RESOURCES
        if total[kind] > xcup.CAPACITY[kind]
    ]
    if over:
        raise DoesNotFit(f"{result.hw} does not fit an {xcup.DEVICE}: {', '.join(over)}")


def estimate_table(result: Estimate) -> Group:
    """One row per block, most LUTs first; the sum; what the device has; where the deepest logic is."""
    table = Table(
        title=f"{result.hw}: estimate for {xcup.DEVICE}, not Vivado's numbers", title_justify="left"
    )
    table.add_column("block", no_wrap=True)
    for heading in (*xcup.RESOURCES, "levels"):
        table.add_column(heading, justify="right", no_wrap=True)
    for block in result.blocks:
        short = block.name.removeprefix("peritus_")
        name = short if block.count == 1 else f"{block.count} x {short}"
        table.add_row(
            f"{name} *" if block.lanes else name,
            *(_number(block.resources[kind]) for kind in xcup.RESOURCES),
            str(block.levels),
        )
    table.add_section()
    total = result.total
    deepest = max(block.levels for block in result.blocks)
    table.add_row("sum", *(_number(total[kind]) for kind in xcup.RESOURCES), str(deepest))
    table.add_row(xcup.DEVICE, *(f"{xcup.CAPACITY[kind]:,}" for kind in xcup.RESOURCES), "")
    table.add_row(
        "used", *(f"{100 * total[kind] / xcup.CAPACITY[kind]:.0f} %" for kind in xcup.RESOURCES), ""
    )
    if samples := _samples(result):
        table.caption = f"* lanes continued in a straight line from {' and '.join(map(str, samples))}"
    paths = Table(
        "levels", "from", "to", title="Deepest logic between registers", title_justify="left", box=None
    )
    for block in sorted(result.blocks, key=lambda block: -block.levels):
        paths.add_row(str(block.levels), f"{block.name.removeprefix('peritus_')}: {block.start}", block.end)
    return Group(table, "", paths)


def _samples(result: Estimate) -> tuple[int, ...]:
    return next((block.lanes for block in result.blocks if block.lanes), ())


def _number(value: float) -> str:
    return f"{value:,.1f}".removesuffix(".0") if value else ""
