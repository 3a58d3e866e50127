# SPDX-License-Identifier: Apache-2.0
"""rtl/generated/peritus_latency_pkg.sv: latencies of the function units."""

from __future__ import annotations

import ast

from peritus.arch.units import UNITS
from peritus.codegen.text import banner

_SIZED = {unit.name: unit.sizes for unit in UNITS if unit.sizes}


def latency_package() -> str:
    """A constant NAME_LATENCY or a function name_latency(sizes) per unit."""
    lines = [
        banner("//"),
        "// Latencies in cycles, from input to output, one result per cycle: peritus.arch.units.",
        "package peritus_latency_pkg;",
        "",
    ]
    for unit in UNITS:
        formula = _systemverilog(unit.latency)
        lines.append(f"  // {unit.name}: {unit.stages}")
        if unit.sizes:
            arguments = ", ".join(f"int unsigned {size}" for size in unit.sizes)
            lines += [
                f"  function automatic int unsigned {unit.name}_latency({arguments});",
                f"    return {formula};",
                "  endfunction",
            ]
        else:
            lines.append(f"  localparam int unsigned {unit.name.upper()}_LATENCY = {formula};")
    return "\n".join([*lines, "", "endpackage"]) + "\n"


def _systemverilog(formula: str) -> str:
    return _text(ast.parse(formula, mode="eval").body)


def _text(node: ast.expr) -> str:
    match node:
        case ast.Constant(value=value):
            return str(value)
        case ast.Name(id=name) if any(name in unit.sizes for unit in UNITS):
            return name
        case ast.Name(id=name):
            return f"{name.upper()}_LATENCY"
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return f"{_text(left)} + {_text(right)}"
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            return f"{_text(left)} * {_text(right)}"
        case ast.BinOp(left=left, op=ast.FloorDiv(), right=right):
            return f"{_text(left)} / {_text(right)}"
        case ast.Call(func=ast.Name(id="clog2"), args=[argument]):
            return f"$clog2({_text(argument)})"
        case ast.Call(func=ast.Name(id="max"), args=[first, second]):
            a, b = _text(first), _text(second)
            return f"(({a} > {b}) ? {a} : {b})"
        case ast.Call(func=ast.Name(id=name), args=arguments) if name in _SIZED:
            return f"{name}_latency({', '.join(map(_text, arguments))})"
    raise ValueError(f"formula {ast.unparse(node)!r} cannot be written in SystemVerilog")
