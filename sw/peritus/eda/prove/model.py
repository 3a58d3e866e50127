# SPDX-License-Identifier: Apache-2.0
"""LLVM IR of a pure function to a combinational SystemVerilog module.

    extern "C" Int<24> model_stage1(Int<27> value, ...)
    ->  module model_stage1(input [26:0] value, ..., output [23:0] result)

Every SSA value is a wire of its width. Branches become conditions: a block is reached if one of the edges
into it is taken, a phi chooses by edge. Tables (constant global arrays) are case statements. A loop that was
not unrolled, a store, or an instruction that is not listed here is refused: no guess.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from peritus.eda.errors import ToolchainError, ToolNotFound
from peritus.resources import how_to_install

_BINARY = {
    "add": "{a} + {b}", "sub": "{a} - {b}", "mul": "{a} * {b}", "and": "{a} & {b}", "or": "{a} | {b}",
    "xor": "{a} ^ {b}", "shl": "{a} << {b}", "lshr": "{a} >> {b}", "ashr": "$signed({a}) >>> {b}",
}  # fmt: skip
_COMPARE = {
    "eq": "{a} == {b}", "ne": "{a} != {b}", "ult": "{a} < {b}", "ule": "{a} <= {b}", "ugt": "{a} > {b}",
    "uge": "{a} >= {b}", "slt": "$signed({a}) < $signed({b})", "sle": "$signed({a}) <= $signed({b})",
    "sgt": "$signed({a}) > $signed({b})", "sge": "$signed({a}) >= $signed({b})",
}  # fmt: skip
_INTRINSICS = {
    "smax": "$signed({a}) > $signed({b}) ? {a} : {b}", "smin": "$signed({a}) < $signed({b}) ? {a} : {b}",
    "umax": "{a} > {b} ? {a} : {b}", "umin": "{a} < {b} ? {a} : {b}",
    "abs": "$signed({a}) < 0 ? -{a} : {a}", "usub.sat": "{a} > {b} ? {a} - {b} : 0",
    "sadd.sat": "",  # on a sum one bit wider
}  # fmt: skip
_CONSTANT = re.compile(r"^@(?P<name>[\w.]+) = .*?constant (?P<rest>.*)$", re.MULTILINE)
# Of a table, or of its parts: clang keeps a tail of zeros apart.
_PART = re.compile(r'\[(\d+) x i(\d+)\] (?:c"([^"]*)"|\[([^\]]*)\]|zeroinitializer)')


class NotStraight(ToolchainError):
    """The IR of a unit has something that is no combinational logic; names it."""


def modules(ir: str) -> str:
    """SystemVerilog modules of the functions `model_...` in an IR file.

    Raises:
        NotStraight: see there. ToolNotFound: llvmlite is not installed.
    """
    try:
        from llvmlite import binding
    except ImportError as error:
        raise ToolNotFound(f"llvmlite is not installed: {how_to_install('prove')}") from error
    tables = {match["name"]: _table(match["rest"]) for match in _CONSTANT.finditer(ir)}
    parsed = binding.parse_assembly(ir)
    functions = [f for f in parsed.functions if f.name.startswith("model_") and not f.is_declaration]
    return "\n".join(_Function(function, tables).module() for function in functions)


def _table(initializer: str) -> tuple[int, list[int]]:
    """Width and entries of a constant array; none if it is something else."""
    bits, values = 8, []
    for match in _PART.finditer(initializer):
        count, bits, text, items = int(match[1]), int(match[2]), match[3], match[4]
        if text is not None:
            values += list(re.sub(rb"\\([0-9A-F]{2})", lambda m: bytes([int(m[1], 16)]), text.encode()))
        elif items is not None:
            values += [int(item.split()[1]) & ((1 << bits) - 1) for item in items.split(",")]
        else:
            values += [0] * count
    return bits, values


def _width(value: Any) -> int:
    kind = str(value.type)
    if not (match := re.fullmatch(r"i(\d+)", kind)):
        raise NotStraight(f"a value of type {kind} is no integer: {value}")
    return int(match[1])


def _in_order(function: Any) -> list[Any]:
    """The blocks of a function, each after those that lead to it."""
    blocks = {block.name: block for block in function.blocks}
    done: list[str] = []
    open_: list[str] = []

    def visit(name: str) -> None:
        if name in open_:
            raise NotStraight(f"{function.name}: a loop is left at block {name}")
        if name in done:
            return
        open_.append(name)
        last = list(blocks[name].instructions)[-1]
        for operand in last.operands:
            if str(operand.type) == "label":
                visit(operand.name)
        open_.pop()
        done.append(name)

    visit(next(iter(blocks)))
    return [blocks[name] for name in reversed(done)]


def _key(value: Any) -> str:
    """What the IR calls a value: %name or, without one, %number."""
    text = str(value).strip()
    return text.split(" = ", 1)[0] if text.startswith("%") else text.split()[-1]


class _Function:
    """One function on its way to a module."""

    def __init__(self, function: Any, tables: dict[str, tuple[int, list[int]]]) -> None:
        self._function, self._tables = function, tables
        self._lines: list[str] = []
        self._names: dict[str, str] = {}
        self._pointers: dict[str, tuple[str, str]] = {}  # table, index
        self._reached: dict[str, str] = {}
        self._edges: dict[tuple[str, str], list[str]] = {}
        self._used: set[str] = set()

    def module(self) -> str:
        function = self._function
        ports = []
        for argument in function.arguments:
            name = argument.name.removesuffix(".coerce")  # more than 32 bits come in 64
            self._names[_key(argument)] = name
            ports.append(f"input logic [{_width(argument) - 1}:0] {name}")
        for block in _in_order(function):
            self._enter(block)
            for instruction in block.instructions:
                self._instruction(instruction, block)
        roms = [self._rom(name) for name in sorted(self._used)]
        body = "\n".join([*roms, *(f"  {line}" for line in self._lines)])
        return f"module {function.name} (\n  {', '.join([*ports, self._result])}\n);\n{body}\nendmodule\n"

    def _enter(self, block: Any) -> None:
        taken = [c for (_, to), conditions in self._edges.items() if to == block.name for c in conditions]
        wire = f"reached_{len(self._reached)}"
        self._lines.append(f"wire {wire} = {' | '.join(taken) or '1'};")
        self._reached[block.name] = wire

    def _rom(self, name: str) -> str:
        bits, values = self._tables[name]
        rom = self._rom_name(name)
        cases = "\n".join(f"      {n}: {rom} = {value};" for n, value in enumerate(values))
        return (
            f"  function automatic logic [{bits - 1}:0] {rom}(input logic [63:0] index);\n"
            f"    case (index)\n{cases}\n      default: {rom} = 0;\n    endcase\n  endfunction"
        )

    @staticmethod
    def _rom_name(name: str) -> str:
        return "rom_" + re.sub(r"\W", "_", name)

    def _value(self, operand: Any) -> str:
        """An operand as an expression."""
        text = str(operand)
        if operand.is_constant:
            word = text.rsplit(maxsplit=1)[-1]
            if word in ("poison", "undef"):
                return f"{_width(operand)}'d0"  # any value will do
            number = {"true": 1, "false": 0}.get(word)
            number = int(word) if number is None else number
            bits = _width(operand)
            return f"{bits}'d{number & ((1 << bits) - 1)}"
        return self._names[_key(operand)]

    def _define(self, instruction: Any, expression: str) -> None:
        wire = f"w{len(self._names)}"
        self._names[_key(instruction)] = wire
        self._lines.append(f"wire [{_width(instruction) - 1}:0] {wire} = {expression};")

    def _edge(self, block: Any, target: str, condition: str) -> None:
        full = f"({self._reached[block.name]} & {condition})"
        self._edges.setdefault((block.name, target), []).append(full)

    def _instruction(self, instruction: Any, block: Any) -> None:
        opcode, operands = instruction.opcode, list(instruction.operands)
        handlers: dict[str, Callable[[Any, list[Any], Any], None]] = {
            "br": self._branch, "switch": self._switch, "phi": self._phi, "call": self._call,
            "getelementptr": self._address, "load": self._load, "ret": self._return,
        }  # fmt: skip
        if opcode in handlers:
            handlers[opcode](instruction, operands, block)
        elif opcode in _BINARY:
            a, b = map(self._value, operands)
            self._define(instruction, _BINARY[opcode].format(a=a, b=b))
        elif opcode == "icmp":
            predicate = next(word for word in str(instruction).split() if word in _COMPARE)
            a, b = map(self._value, operands)
            self._define(instruction, _COMPARE[predicate].format(a=a, b=b))
        elif opcode == "select":
            condition, a, b = map(self._value, operands)
            self._define(instruction, f"{condition} ? {a} : {b}")
        elif opcode in ("zext", "trunc", "freeze"):
            self._define(instruction, self._value(operands[0]))
        elif opcode == "sext":
            self._define(instruction, f"$signed({self._value(operands[0])})")
        elif opcode != "unreachable":  # a block that no input leads to
            raise NotStraight(f"{self._function.name}: {str(instruction).strip()}")

    def _branch(self, _: Any, operands: list[Any], block: Any) -> None:
        if len(operands) == 1:
            self._edge(block, operands[0].name, "1'b1")
            return
        condition, otherwise, then = operands
        self._edge(block, then.name, self._value(condition))
        self._edge(block, otherwise.name, f"!{self._value(condition)}")

    def _switch(self, instruction: Any, operands: list[Any], block: Any) -> None:
        value, bits = self._value(operands[0]), _width(operands[0])
        default, *cases = re.findall(r"(?:i\d+ (-?\d+), )?label %\"?([^\s\",\]]+)", str(instruction))
        equal = []
        for number, target in cases:
            equal.append(f"({value} == {bits}'d{int(number) & ((1 << bits) - 1)})")
            self._edge(block, target, equal[-1])
        self._edge(block, default[1], f"!({' | '.join(equal) or 0})")

    def _phi(self, instruction: Any, operands: list[Any], block: Any) -> None:
        expression = ""
        incoming = list(zip(operands, instruction.incoming_blocks, strict=True))
        for value, source in incoming[:-1]:
            taken = " | ".join(self._edges[source.name, block.name])
            expression += f"({taken}) ? {self._value(value)} : "
        self._define(instruction, expression + self._value(incoming[-1][0]))

    def _call(self, instruction: Any, operands: list[Any], _: Any) -> None:
        name = operands[-1].name
        match = re.fullmatch(r"llvm\.([a-z.]+)\.i\d+", name)
        if name.startswith("llvm.assume"):
            return
        if match is None or match[1] not in _INTRINSICS:
            raise NotStraight(f"{self._function.name}: calls {name}")
        arguments = [self._value(operand) for operand in operands[:-1]]
        expression = _INTRINSICS[match[1]].format(a=arguments[0], b=arguments[-1])
        if match[1] == "sadd.sat":
            bits = _width(instruction)
            wide, most = f"sum_{len(self._names)}", (1 << (bits - 1)) - 1
            a, b = arguments
            self._lines.append(f"wire signed [{bits}:0] {wide} = $signed({a}) + $signed({b});")
            expression = f"{wide} > {most} ? {most} : {wide} < {-most - 1} ? {-most - 1} : {wide}"
        self._define(instruction, expression)

    def _address(self, instruction: Any, operands: list[Any], _: Any) -> None:
        text = str(instruction)
        base = operands[0].name if operands[0].name in self._tables else _key(operands[0])
        element = re.search(r"getelementptr [a-z ]*?(?:\[\d+ x )?i(\d+)", text)
        if element is None or base not in {*self._tables, *self._pointers}:
            raise NotStraight(f"{self._function.name}: {text.strip()}")
        table, start = self._pointers.get(base, (base, "0"))
        wire = f"address_{len(self._pointers)}"
        bytes_ = int(element[1]) // 8
        self._lines.append(f"wire [63:0] {wire} = {start} + {self._value(operands[-1])} * {bytes_};")
        self._pointers[_key(instruction)] = table, wire

    def _load(self, instruction: Any, operands: list[Any], _: Any) -> None:
        if (pointer := _key(operands[0])) not in self._pointers:
            raise NotStraight(f"{self._function.name}: {str(instruction).strip()}")
        table, address = self._pointers[pointer]
        if (bits := self._tables[table][0]) != _width(instruction):
            raise NotStraight(f"{self._function.name}: {str(instruction).strip()}, an entry has {bits} bits")
        self._used.add(table)
        self._define(instruction, f"{self._rom_name(table)}({address} / {bits // 8})")

    def _return(self, _: Any, operands: list[Any], __: Any) -> None:
        self._result = f"output logic [{_width(operands[0]) - 1}:0] result"
        self._lines.append(f"assign result = {self._value(operands[0])};")
