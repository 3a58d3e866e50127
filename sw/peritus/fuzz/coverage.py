# SPDX-License-Identifier: Apache-2.0
"""Which modes of the instruction set programs have executed, of those that the verifier accepts."""

from __future__ import annotations

from collections.abc import Sequence

from peritus.arch.config import HwConfig
from peritus.arch.isa import Dest, Function, Opcode, Scale2, StatSource
from peritus.bundle import Bundle
from peritus.verifier.forms import Form, form_of, modes_of

Mode = tuple[str, ...]
BITS = ("sync", "wait_stream", "features_only", "int4")
RESIDENT = (Form.LINEAR.name, "resident")  # its weights are on chip (nobody keeps a gate's)
WARM = (Form.KEEP.name, "warm")  # a later job, which finds what the first one has kept
IDLE = (Form.EXPERT_HIDDEN.name, "idle")  # an expert without tokens


def all_modes() -> set[Mode]:
    """Every mode there is: a form with its destination, function and second stage, with each of its bits, and
    what depends on the jobs."""
    found: set[Mode] = {RESIDENT, WARM, IDLE}
    for form in Form:
        functions = list(Function) if "fn" in form.value else [Function.NONE]
        destinations, scales = modes_of(form)
        found |= {_name(form, d, f, s) for d in destinations for f in functions for s in scales}
        found |= {(form.name, bit) for bit in BITS if bit in form.value}
    return found


def executed(bundle: Bundle, *, warm: bool = False, idle: bool = False) -> set[Mode]:
    """Those of a program; warm: jobs ran one after the other; idle: an expert of one had no tokens."""
    found: set[Mode] = {IDLE} if idle else set()
    for i in bundle.instructions:
        form = form_of(i, "")
        found.add(_name(form, i.dst, i.fn, i.scale2))
        found |= {(form.name, bit) for bit in BITS if getattr(i, bit)}
        if i.stat_src is StatSource.RESIDENT:
            found.add(RESIDENT)
        if i.opcode is Opcode.KEEP and warm:
            found.add(WARM)
    return found


def varied(hardware: Sequence[HwConfig]) -> dict[str, list[object]]:
    """The values that each field of the configurations has, of the fields that differ among them."""
    tables = [hw.table() for hw in hardware]
    found = {name: sorted({table[name] for table in tables}) for name in tables[0] if name != "ddr"}
    return {name: values for name, values in found.items() if len(values) > 1}


def _name(form: Form, dst: Dest, fn: Function, scale2: Scale2) -> Mode:
    return (form.name, dst.name, fn.name, scale2.name)
