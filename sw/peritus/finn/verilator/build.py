# SPDX-License-Identifier: Apache-2.0
"""A FINN module as a library that streams go through: `sim/finn/harness.cpp` around it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from peritus.eda.verilator.build import FAST_FLAGS, verilate
from peritus.finn.errors import SimulatorError
from peritus.finn.verilator.ports import CLOCK, FAST_CLOCK, FLAGS, RESET, Ports, Stream, read_ports
from peritus.finn.verilator.rewrite import rewritten
from peritus.resources import resource

HEADERS = (".vh", ".svh")
FUNCTIONS = ("--output-split-cfuncs", "800")  # a chain of nodes is much C++, run briefly
_MAX_STREAMS = 32  # bits of the harness's masks


@dataclass(frozen=True)
class Design:
    """A module built for simulation. library: what the harness was compiled into."""

    top: str
    library: Path
    ports: Ports


def build(top: str, sources: Sequence[Path], *, define: Sequence[str] = ()) -> Design:
    """Build `top`, once for each content.

    Args:
        top: module with clock ap_clk, reset ap_rst_n and AXI streams.
        sources: Verilog in an order in which packages come first; headers among them name folders.
        define: macros.

    Raises:
        SimulatorError: a source does not exist, or a port is not understood. BuildError, ToolNotFound: as of
        `verilate`.
    """
    missing = [path for path in sources if not path.is_file()]
    if missing:
        raise SimulatorError(f"module {top!r}: no file {missing[0]}; has step_hw_codegen run?")
    folders = list(dict.fromkeys(path.parent for path in sources if path.suffix in HEADERS))
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        files = _ordered([path for path in sources if path.suffix not in HEADERS], work / "rewritten")
        ports = read_ports(top, files, folders, work)
        if not ports.outputs or max(len(ports.inputs), len(ports.outputs)) > _MAX_STREAMS:
            raise SimulatorError(
                f"module {top!r} has {len(ports.inputs)} input and {len(ports.outputs)} output streams, "
                f"1 to {_MAX_STREAMS} can be simulated"
            )
        around = work / "finn_rtlsim_top.sv"
        around.write_text("\n".join(_around(top, ports)))
        headers = work / "include"
        headers.mkdir()
        # A header rather than options, so that all designs share the compiled parts of Verilator.
        (headers / "streams.h").write_text(
            f"#define IN_WORDS {_words(ports.inputs)}\n"
            f"#define OUT_WORDS {_words(ports.outputs)}\n"
            f"#define FAST_CLOCK {int(ports.fast_clock)}\n"
        )
        library = verilate(
            "finn_rtlsim_top",
            [*files, around],
            include_dirs=folders,
            flags=(*FAST_FLAGS, *FLAGS, *FUNCTIONS, *(f"-D{macro}" for macro in define)),
            cpp_sources=[resource("sim/finn/harness.cpp")],
            cpp_include_dirs=[resource("sim"), headers],
            optimization="-O1",
        )
    return Design(top, library, ports)


def _ordered(files: Sequence[Path], folder: Path) -> list[Path]:
    """Each file once, since FINN lists some twice and in no order; what Verilator refuses in other words, in
    files of `folder`."""
    unique = list(dict.fromkeys(path.resolve() for path in files))
    found = [_accepted(path, folder / str(index)) for index, path in enumerate(unique)]
    return sorted(found, key=lambda path: not path.stem.endswith("_pkg"))


def _accepted(path: Path, folder: Path) -> Path:
    text = path.read_text()
    other = rewritten(path.name, text)
    if other == text:
        return path
    folder.mkdir(parents=True)
    (folder / path.name).write_text(other)
    return folder / path.name


def _words(streams: Sequence[Stream]) -> str:
    return ",".join(str(stream.words) for stream in streams) or "0"


def _around(top: str, ports: Ports) -> Iterator[str]:
    """SystemVerilog that lays the streams of `top` side by side."""
    yield "`default_nettype none"
    yield "module finn_rtlsim_top ("
    yield "  input logic clk_i, input logic clk2x_i, input logic rst_ni,"
    for way, streams in (("in", ports.inputs), ("out", ports.outputs)):
        count, words = max(len(streams), 1), max(sum(stream.words for stream in streams), 1)
        into, back = ("input", "output") if way == "in" else ("output", "input")
        suffix, other = ("i", "o") if way == "in" else ("o", "i")
        yield f"  {into} logic [31:0] {way}_data_{suffix} [{words}],"
        yield f"  {into} logic [{count - 1}:0] {way}_valid_{suffix},"
        yield f"  {back} logic [{count - 1}:0] {way}_ready_{other}" + ("," if way == "in" else "")
    yield ");"
    connections = [f".{CLOCK}(clk_i)", f".{RESET}(rst_ni)"]
    if ports.fast_clock:
        connections.append(f".{FAST_CLOCK}(clk2x_i)")
    connections += [f".{name}({bits}'d0)" for name, bits in ports.others]
    for way, suffix, other, streams in (("in", "i", "o", ports.inputs), ("out", "o", "i", ports.outputs)):
        word = 0
        for index, stream in enumerate(streams):
            beat = f"{way}{index}"
            yield f"  logic [{32 * stream.words - 1}:0] {beat};"
            parts = ", ".join(f"{way}_data_{suffix}[{word + w}]" for w in reversed(range(stream.words)))
            if way == "in":
                yield f"  assign {beat} = {{{parts}}};"
            else:
                yield f"  assign {{{parts}}} = {beat};"
                if stream.bits % 32:
                    yield f"  assign {beat}[{32 * stream.words - 1}:{stream.bits}] = '0;"
            connections += [
                f".{stream.data}({beat}[{stream.bits - 1}:0])",
                f".{stream.valid}({way}_valid_{suffix}[{index}])",
                f".{stream.ready}({way}_ready_{other}[{index}])",
            ]
            word += stream.words
    if not ports.inputs:
        yield "  assign in_ready_o = '0;"
    yield f"  {top} dut ({', '.join(connections)});"
    yield "endmodule"
    yield "`default_nettype wire"
    yield ""
