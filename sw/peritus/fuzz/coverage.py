# SPDX-License-Identifier: Apache-2.0
"""Which modes of the instruction set programs have executed, of those that the verifier accepts."""

from __future__ import annotations

from peritus.arch.isa import Dest, Function, Instruction, Scale2
from peritus.bundle import Bundle
from peritus.verifier.forms import Form, form_of, modes_of

Mode = tuple[str, ...]
BITS = ("sync", "wait_stream", "features_only", "int4")


def all_modes() -> set[Mode]:
    """Every mode there is: a form with its destination, function and second stage, and with each of its
    bits."""
    found: set[Mode] = set()
    for form in Form:
        functions = list(Function) if "fn" in form.value else [Function.NONE]
        destinations, scales = modes_of(form)
        found |= {_name(form, d, f, s) for d in destinations for f in functions for s in scales}
        found |= {(form.name, bit) for bit in BITS if bit in form.value}
    return found


def executed(bundle: Bundle) -> set[Mode]:
    """Those of a program."""
    found: set[Mode] = set()
    for i in bundle.instructions:
        form = form_of(i, "")
        found.add(_name(form, i.dst, i.fn, i.scale2))
        found |= {(form.name, bit) for bit in _bits(i)}
    return found


def _bits(i: Instruction) -> list[str]:
    return [bit for bit in BITS if getattr(i, bit)]


def _name(form: Form, dst: Dest, fn: Function, scale2: Scale2) -> Mode:
    return (form.name, dst.name, fn.name, scale2.name)
