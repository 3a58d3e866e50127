# SPDX-License-Identifier: Apache-2.0
"""Boards: one folder boards/<name>/ each, described by its board.toml."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from peritus.arch.config import HwConfig, config_names, load_config
from peritus.arch.pl_clock import ClockError, divisor_for
from peritus.arch.ps_ports import PS_PORTS
from peritus.eda.errors import BoardFileError
from peritus.resources import resource
from peritus.toml import tomllib

MEMORIES = ("DDR_LOW", "DDR_HIGH")


@dataclass(frozen=True)
class Board:
    """One board.

    title: for people. flow: how a bitstream is made ("vivado"); settings: the table of that name.
    hw: hardware configuration (configs/HW.toml). model: shipped model whose bundle goes with the bitstream.
    """

    name: str
    title: str
    flow: str
    hw: str
    model: str
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class VivadoSettings:
    """Table [vivado].

    part: device. board_part: vendor:name:part of Vivado's board files, without their version; it brings the
    preset of the processor. memory: segments of the processor's memory that the accelerator may reach; all
    others are excluded. ports: of the processor (arch.ps_ports.PS_PORTS), one for each memory port of the
    accelerator.
    """

    part: str
    board_part: str
    memory: tuple[str, ...]
    ports: tuple[str, ...]


def board_names() -> list[str]:
    """All boards, sorted."""
    return sorted(path.parent.name for path in resource("boards").glob("*/board.toml"))


def load_board(name: str) -> Board:
    """The board `name`; BoardFileError for an unknown name, field or value."""
    if name not in board_names():
        raise BoardFileError(f"unknown board {name!r}; known: {', '.join(board_names())}")
    return parse_board(name, resource(f"boards/{name}/board.toml"))


def board_config(name: str) -> HwConfig:
    """The configuration of a board, or one by its own name or file.

    Raises:
        ConfigError: neither a board nor a configuration is called `name`.
    """
    return load_config(load_board(name).hw if name in board_names() else name)


def parse_board(name: str, path: Path) -> Board:
    """The board that a file describes; BoardFileError as `load_board`."""
    try:
        table = tomllib.loads(path.read_text())
    except tomllib.TOMLDecodeError as error:
        raise BoardFileError(f"{path}: {error}") from error
    flow = table.get("flow")
    known = {field.name for field in fields(Board)} - {"name", "settings"} | {flow}
    if set(table) != known:
        raise BoardFileError(f"{path}: fields {sorted(map(str, set(table) ^ known))} are unknown or missing")
    board = Board(name, table["title"], table["flow"], table["hw"], table["model"], table[table["flow"]])
    if board.hw not in config_names():
        raise BoardFileError(f"{path}: hw = {board.hw!r}, must be one of {', '.join(config_names())}")
    return board


def vivado_settings(board: Board) -> VivadoSettings:
    """The [vivado] table of a board; BoardFileError for an unknown field or value, or another flow."""
    if board.flow != "vivado":
        raise BoardFileError(f"board {board.name}: flow = {board.flow!r}, must be 'vivado'")
    known = {field.name for field in fields(VivadoSettings)}
    if set(board.settings) != known:
        wrong = sorted(set(board.settings) ^ known)
        raise BoardFileError(f"board {board.name}: fields {wrong} of [vivado] are unknown or missing")
    lists = {name: tuple(board.settings[name]) for name in ("memory", "ports")}
    found = VivadoSettings(**{**board.settings, **lists})
    if not found.memory or not set(found.memory) <= set(MEMORIES):
        raise BoardFileError(f"board {board.name}: memory = {list(found.memory)}, must be some of {MEMORIES}")
    if found.board_part.count(":") != 2:
        raise BoardFileError(
            f"board {board.name}: board_part = {found.board_part!r}, must be vendor:name:part"
        )
    hw = load_config(board.hw)
    if not set(found.ports) <= PS_PORTS.keys() or len(set(found.ports)) < len(found.ports):
        known_ports = ", ".join(PS_PORTS)
        raise BoardFileError(
            f"board {board.name}: ports = {list(found.ports)}, must be different ones of {known_ports}"
        )
    if len(found.ports) != hw.axi_ports:
        raise BoardFileError(
            f"board {board.name}: {len(found.ports)} ports, must be {hw.axi_ports} as hw {board.hw} has"
        )
    try:
        divisor_for(hw.clock_mhz)
    except ClockError as error:
        raise BoardFileError(f"board {board.name}: clock_mhz of hw {board.hw}: {error}") from error
    return found
