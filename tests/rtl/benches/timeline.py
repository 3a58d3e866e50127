# SPDX-License-Identifier: Apache-2.0
"""A bench of a block with fixed latencies, as a plan: what is driven and what is expected in which cycle."""

import random
from collections import defaultdict
from typing import Any

import numpy as np
from cocotb.clock import Clock
from cocotb.handle import ArrayObject
from cocotb.triggers import FallingEdge, Timer

from tests.rtl.benches.pipeline import Ints, Port

Value = int | list[int] | Ints


class Timeline:
    """Plan with `drive` and `expect`, then `run`.

    Cycle c's inputs are sampled by the rising edge that ends cycle c; its outputs are read before that edge,
    with these inputs applied. A port that is not driven gets its idle value, or noise if it has none.
    quiet: output -> bits that must be 0 in cycles without an expectation.
    """

    def __init__(self, dut: Any, idle: dict[str, int], quiet: dict[str, int]) -> None:
        self.dut, self.idle, self.quiet = dut, idle, quiet
        self.inputs: defaultdict[int, dict[str, Value]] = defaultdict(dict)
        self.outputs: defaultdict[int, dict[str, tuple[Value, str]]] = defaultdict(dict)

    def drive(self, cycle: int, **ports: Value) -> None:
        self.inputs[cycle].update(ports)

    def expect(self, cycle: int, what: str, **ports: Value) -> None:
        """`what` names the transaction in the message of a failure."""
        for name, value in ports.items():
            assert name not in self.outputs[cycle], f"{name} is expected twice in cycle {cycle}"
            self.outputs[cycle][name] = (value, what)

    async def run(self) -> None:
        dut = self.dut
        end = max([*self.inputs, *self.outputs]) + 2
        names = {name for cycle in self.inputs.values() for name in cycle} | set(self.idle)
        ports = {name: Port(dut, name) for name in names}
        checked = {name for cycle in self.outputs.values() for name in cycle} | set(self.quiet)
        results = {
            name: Port(dut, name, signed=isinstance(getattr(dut, name), ArrayObject)) for name in checked
        }
        driven: dict[str, bool] = dict.fromkeys(names, True)  # ports whose noise is old news
        Clock(dut.clk_i, 10, unit="ns").start()
        dut.rst_ni.value = 0
        for name, value in self.idle.items():
            ports[name].write([value])
        for _ in range(4):
            await FallingEdge(dut.clk_i)
        dut.rst_ni.value = 1
        for cycle in range(end):
            now = self.inputs.get(cycle, {})
            for name, port in ports.items():
                if name in now:
                    value = now[name]
                    port.write([value] if isinstance(value, int) else value)
                elif driven[name] and name in self.idle:
                    port.write([self.idle[name]])
                elif driven[name]:
                    port.write([random.getrandbits(len(element)) for element in port.elements])
                driven[name] = name in now
            await Timer(1, "ns")
            for name, (value, what) in self.outputs.get(cycle, {}).items():
                got = results[name].read()
                expected = np.atleast_1d(value).tolist() if not isinstance(value, int) else [value]
                assert got == expected, f"cycle {cycle}: {name} = {got}, expected {expected} ({what})"
            for name, mask in self.quiet.items():
                if name not in self.outputs.get(cycle, {}):
                    got = results[name].read()
                    assert not got[0] & mask, f"cycle {cycle}: {name} = {got[0]:#x} unexpectedly"
            await FallingEdge(dut.clk_i)
