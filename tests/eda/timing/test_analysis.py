# SPDX-License-Identifier: Apache-2.0
"""Arrival times and wires of small netlists, against sums by hand from the table of delays."""

import math
from typing import Any

import pytest

from peritus.eda.errors import TimingNotMet
from peritus.eda.timing.estimate import check_budget, timing_of
from peritus.eda.timing.library import Library
from peritus.eda.yosys import xcup
from peritus.eda.yosys.netlist import NetlistError

XCUP = Library.load("xcup_2")
FF, LUT = XCUP.cells["FDRE"], XCUP.cells["LUT2"]
Q = 0.077  # clock to Q, LUT, setup of D and CE, uncertainty: as the table says
CLOCK, FAST = 1, 2  # nets
THROUGH, D, CE, JITTER = 0.092, -0.025, 0.035, 0.035


def wire(area: float) -> float:
    side = math.sqrt(area)
    return 0.069 + 0.0425 * min(side, 12) + 0.0107 * max(side - 12, 0)


class Netlist:
    """Builds Yosys' JSON of a flat module."""

    def __init__(self) -> None:
        self.cells: dict[str, Any] = {}
        self.names: dict[str, Any] = {}

    def add(self, name: str, kind: str, source: str = "", **pins: int | list[int]) -> None:
        """Output pins are O, Q, P, DO..., CO; the rest are inputs."""
        outputs = ("O", "Q", "P", "PCOUT", "CO", "DOUT_B", "DOA")
        self.cells[name] = {
            "type": kind,
            "attributes": {"src": source},
            "parameters": {"PREG": "1"} if kind == "DSP48E2" and "PCOUT" in pins else {"PREG": "0"},
            "port_directions": {pin: "output" if pin in outputs else "input" for pin in pins},
            "connections": {pin: [bits] if isinstance(bits, int) else bits for pin, bits in pins.items()},
        }

    def flip_flop(self, name: str, d: int, q: int, clock: int = CLOCK, **pins: int) -> None:
        self.add(name, "FDRE", f"source/rtl/memory/{name}.sv:7.3|x.v:1", C=clock, D=d, Q=q, **pins)
        self.names[f"u_a.{name}_q"] = {"hide_name": 0, "bits": [q]}

    @property
    def design(self) -> dict[str, Any]:
        clocks = {"aclk": CLOCK, "aclk2x": FAST}
        ports = {name: {"direction": "input", "bits": [bit]} for name, bit in clocks.items()}
        return {"modules": {"top": {"ports": ports, "cells": self.cells, "netnames": self.names}}}


def two_flip_flops(loads: int = 1) -> Netlist:
    """from -> LUT -> to, and `loads` - 1 more behind the LUT."""
    netlist = Netlist()
    netlist.flip_flop("from", d=9000, q=10)
    netlist.add("lut", "LUT2", I0=10, O=11)
    for lane in range(loads):
        netlist.flip_flop(f"to[{lane}]", d=11, q=20 + lane)
    return netlist


def test_the_table_is_what_these_sums_are_made_of() -> None:
    assert (dict(FF.launch)["Q"], LUT.arc("I0", "O")) == (Q, THROUGH)
    assert (dict(FF.setup)["D"], dict(FF.setup)["CE"], XCUP.uncertainty) == (D, CE, JITTER)
    assert XCUP.wire.delay(2.0) == pytest.approx(wire(2.0))
    assert XCUP.wire.delay(900.0) == pytest.approx(0.069 + 0.0425 * 12 + 0.0107 * 18)


def test_register_lut_register() -> None:
    """The LUT stands in the slice of the only register it feeds."""
    found = timing_of(two_flip_flops().design, "top")
    assert found.worst_ns == pytest.approx(Q + wire(2) + THROUGH + 0.050 + D + JITTER)
    (path,) = found.paths
    assert (path.start, path.end, path.pin, path.levels) == ("u_a.from_q", "u_a.to[0]_q", "D", 1)
    assert (path.start_line, path.end_line) == ("rtl/memory/from.sv:7", "rtl/memory/to[0].sv:7")
    assert [step.fan_out for step in path.steps] == [1, 1]
    assert path.ns == pytest.approx(
        sum(step.cell_ns + step.wire_ns for step in path.steps) + path.setup_ns + JITTER
    )


def test_a_wide_net_is_a_long_wire() -> None:
    """400 loads and a driver; lanes that differ in numbers are one path."""
    found = timing_of(two_flip_flops(400).design, "top", budget_ns=0.7)
    assert found.worst_ns == pytest.approx(Q + wire(2) + THROUGH + wire(401) + D + JITTER)
    assert [(path.alike, path.widest.fan_out) for path in found.paths] == [(400, 400)]
    net = found.fan_outs[0]
    assert (net.loads, net.by_logic, net.driver, net.into) == (400, True, "LUT2", {"FDRE.D": 400})
    assert net.signal == "into u_a.to_q"
    (domain,) = found.domains
    assert (domain.clocks, domain.ends, domain.over) == (("aclk", "aclk"), 400, 400)
    with pytest.raises(
        TimingNotMet, match=r"400 registers .* of 0\.7 ns.*\(aclk\), from u_a\.from_q to u_a\.to\[\d+\]_q"
    ):
        check_budget(found)


def test_flip_flops_share_enables() -> None:
    netlist = Netlist()
    netlist.flip_flop("enable", d=9000, q=10)
    for lane in range(64):
        netlist.flip_flop(f"to[{lane}]", d=9001, q=20 + lane, CE=10)
    found = timing_of(netlist.design, "top", budget_ns=5)
    assert found.worst_ns == pytest.approx(Q + wire(1 + 64 / 4) + CE + JITTER)
    check_budget(found)
    assert not found.fan_outs[0].by_logic


def test_a_shift_register_is_a_register_and_a_lut_memory_is_logic() -> None:
    netlist = Netlist()
    netlist.add("delay", "SRL16E", CLK=1, D=9000, Q=10)
    netlist.add("words", "RAM32M16", ADDRA=12, DOA=11)
    netlist.add("lut", "LUT2", I0=10, I1=11, O=13)
    netlist.flip_flop("address", d=9001, q=12)
    netlist.flip_flop("to", d=13, q=14)
    found = timing_of(netlist.design, "top")
    assert {net.driver: net.by_logic for net in found.fan_outs if net.loads} == {
        "SRL16E": False,
        "RAM32M16": True,
        "LUT2": True,
        "FDRE": False,
    }
    # The slower one: the word that has just been written, or a read by the address register.
    assert found.worst_ns == pytest.approx(
        max(0.312, Q + wire(2) + THROUGH) + wire(2) + THROUGH + 0.050 + D + JITTER
    )


def test_an_inverter_is_no_cell() -> None:
    netlist = two_flip_flops()
    netlist.cells["lut"]["connections"]["I0"] = [12]
    netlist.add("inv", "INV", I=10, O=12)
    assert timing_of(netlist.design, "top").worst_ns == timing_of(two_flip_flops().design, "top").worst_ns


def test_carry_runs_along_its_own_wire() -> None:
    netlist = Netlist()
    netlist.flip_flop("from", d=9000, q=10)
    netlist.add("low", "CARRY4", S=10, CO=11)
    netlist.add("high", "CARRY4", CI=11, O=12)
    netlist.flip_flop("to", d=12, q=13)
    carry = 0.186 + 0.116  # S to CO, CI to O
    assert timing_of(netlist.design, "top").worst_ns == pytest.approx(
        Q + wire(2) + carry + 0.025 + D + JITTER
    )


def test_registers_beside_a_multiplier_stand_in_it() -> None:
    """No wire between them; the way to the multiplier is the slice's setup and as wide as the slice."""
    netlist = Netlist()
    netlist.flip_flop("from", d=9000, q=10)
    netlist.flip_flop("a", d=10, q=11)
    netlist.add("product", "DSP48E2", A=11, P=12)
    netlist.flip_flop("p", d=12, q=13)
    netlist.flip_flop("to", d=13, q=14)
    found = {path.end: path.ns for path in timing_of(netlist.design, "top").paths}
    assert found["u_a.a_q"] == pytest.approx(Q + wire(1 + 16.67) + 0.30 + JITTER)
    assert found["u_a.p_q"] == pytest.approx(Q + 1.56 + JITTER)
    assert found["u_a.to_q"] == pytest.approx(0.28 + wire(1 + 16.67) + D + JITTER)


def test_a_register_that_logic_reads_too_stays_outside() -> None:
    netlist = Netlist()
    netlist.flip_flop("a", d=9000, q=11)
    netlist.add("product", "DSP48E2", A=11, P=12)
    netlist.add("lut", "LUT2", I0=11, O=15)
    netlist.flip_flop("p", d=12, q=13)
    netlist.flip_flop("to", d=15, q=16)
    found = {path.end: path.ns for path in timing_of(netlist.design, "top").paths}
    assert found["u_a.p_q"] == pytest.approx(Q + wire(1 + 16.67 + 1) + 1.56 + JITTER)


def test_a_memory_is_far_from_its_logic() -> None:
    netlist = Netlist()
    netlist.add("u_a.mem.0.0", "URAM288", CLK=1, DOUT_B=[10, 11], EN_B=20)
    netlist.add("lut", "LUT2", I0=10, I1=11, O=12)
    netlist.flip_flop("to", d=12, q=20)
    found = timing_of(netlist.design, "top")
    from_memory, into_memory = found.paths
    assert from_memory.start == "u_a.mem"
    assert from_memory.ns == pytest.approx(2.059 + wire(301) + THROUGH + 0.050 + D + JITTER)
    assert into_memory.ns == pytest.approx(Q + wire(301) + 0.306 + JITTER)


def test_cascades_of_multipliers() -> None:
    netlist = Netlist()
    netlist.add("one", "DSP48E2", CLK=1, PCOUT=10)
    netlist.add("two", "DSP48E2", CLK=1, PCIN=10, PCOUT=11)
    assert timing_of(netlist.design, "top").worst_ns == pytest.approx(0.28 + 0.016 + 0.55 + JITTER)


def test_paths_at_the_fast_clock_have_half_a_period() -> None:
    """One register of each clock drives one of each: the same wire, too long in three of four domains."""
    netlist = Netlist()
    for name, clock, q in (("slow", CLOCK, 10), ("fast", FAST, 20)):
        netlist.flip_flop(name, d=9000, q=q, clock=clock)
        netlist.flip_flop(f"{name}_slow", d=q, q=q + 1)
        netlist.flip_flop(f"{name}_fast", d=q, q=q + 2, clock=FAST)
    ns = Q + wire(3) + D + JITTER
    found = timing_of(netlist.design, "top", budget_ns=1.5 * ns)
    assert found.worst_ns == pytest.approx(2 * ns)
    assert {domain.clocks: domain.over for domain in found.domains} == {
        ("aclk", "aclk"): 0,
        ("aclk", "aclk2x"): 1,
        ("aclk2x", "aclk"): 1,
        ("aclk2x", "aclk2x"): 1,
    }
    assert [domain.budget_ns for domain in found.domains] == pytest.approx([0.75 * ns] * 3 + [1.5 * ns])
    assert all(domain.worst_ns == pytest.approx(ns) and domain.ends == 1 for domain in found.domains)
    assert found.paths[-1].clocks == found.domains[-1].clocks == ("aclk", "aclk")
    with pytest.raises(TimingNotMet, match=r"3 registers .* \(aclk2x\), from u_a\.fast_q to u_a\.fast_fast"):
        check_budget(found)
    check_budget(timing_of(netlist.design, "top", budget_ns=2.1 * ns))


def test_a_slow_way_from_the_other_clock_does_not_hide_a_fast_one() -> None:
    """The longer one of two ways to an end has a whole period; the shorter one half, and is too long."""
    netlist = Netlist()
    netlist.flip_flop("slow", d=9000, q=10)
    netlist.flip_flop("fast", d=9001, q=11, clock=FAST)
    netlist.add("first", "LUT2", I0=10, O=12)
    netlist.add("second", "LUT2", I0=11, I1=12, O=13)
    netlist.flip_flop("to", d=13, q=14)
    short = Q + wire(2) + THROUGH + 0.050 + D + JITTER
    found = timing_of(netlist.design, "top", budget_ns=1.9 * short)
    assert {domain.clocks: (domain.worst_ns, domain.over) for domain in found.domains} == {
        ("aclk2x", "aclk"): (pytest.approx(short), 1),
        ("aclk", "aclk"): (pytest.approx(short + wire(2) + THROUGH), 0),
    }


def test_a_loop_is_named() -> None:
    netlist = Netlist()
    netlist.add("u_a.one", "LUT2", I0=10, O=11)
    netlist.add("u_a.two", "LUT2", I0=11, O=10)
    with pytest.raises(NetlistError, match=r"loop through 2 cells, among them \['u_a.one', 'u_a.two'\]"):
        timing_of(netlist.design, "top")


def test_ports_of_the_top_begin_and_end_nothing() -> None:
    netlist = Netlist()
    netlist.add("lut", "LUT2", I0=5, O=11)
    netlist.flip_flop("to", d=11, q=6)
    found = timing_of(netlist.design, "top", budget_ns=1)
    assert (found.worst_ns, found.paths, found.over) == (0.0, (), 0)


def test_every_kind_that_the_area_counts_has_delays() -> None:
    """What `peritus build --estimate` may meet, this may meet too."""
    known = {*xcup.CELLS.sequential, *xcup.CELLS.levels, *xcup.CELLS.lut_ram, "DSP48E2"} - {"INV"}
    assert known - XCUP.cells.keys() == set()
