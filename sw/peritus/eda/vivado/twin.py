# SPDX-License-Identifier: Apache-2.0
"""The HLS twin beside the accelerator in a Vivado project: its IP, and the ports that are left for it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from peritus.arch import hls_ip
from peritus.arch.config import HwConfig
from peritus.arch.ps_ports import PS_PORTS
from peritus.eda.board import Board, vivado_settings
from peritus.eda.errors import ProjectError


@dataclass(frozen=True)
class Twin:
    """A twin. hw: its configuration, which need not be the accelerator's: both share one device.
    folder: its Vitis project (peritus.eda.vitis), whose exported IP Vivado takes."""

    hw: HwConfig
    folder: Path


def cell(twin: Twin, project: Path) -> tuple[str, ...]:
    """What block_design.tcl wants to know of a cell beside the accelerator: repository, from the project's
    folder; VLNV, name, registers, clock, reset, base, bytes."""
    repository = os.path.relpath(twin.folder / hls_ip.EXPORTED, project)
    return (
        *(repository, hls_ip.VLNV, hls_ip.INSTANCE, hls_ip.REGISTERS, hls_ip.CLOCK, hls_ip.RESET),
        *(f"{hls_ip.REGISTER_BASE:#x}", str(hls_ip.REGISTER_BYTES)),
    )


def twin_ports(twin: Twin, board: Board) -> list[tuple[str, str, int]]:
    """Master, port of the processor, data width of each of the twin's memory ports.

    Raises:
        ProjectError: the accelerator leaves too few ports.
    """
    taken = vivado_settings(board).ports
    free = [name for name in PS_PORTS if name not in taken]
    if len(free) < len(hls_ip.MASTERS):
        raise ProjectError(
            f"board {board.name}: hw {board.hw} leaves {len(free)} memory ports of the processor, "
            f"the HLS twin needs {len(hls_ip.MASTERS)}"
        )
    bits = 8 * twin.hw.axi_data_bytes
    pairs = zip(hls_ip.MASTERS, free, strict=False)
    return [(f"{hls_ip.INSTANCE}/{master}", port, bits) for master, port in pairs]
