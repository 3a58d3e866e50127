# SPDX-License-Identifier: Apache-2.0
"""The nodes of a dataflow graph as one Verilog module: what FINN has Vivado's block design do.

Code of every node must have been generated (step_hw_codegen). Some of FINN's nodes read their constants as a
stream; its memory for them stands beside the node here, as in FINN's block design.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finn.transformation.fpgadataflow.replace_verilog_relpaths import ReplaceVerilogRelPaths
from finn.util.basic import getHWCustomOp
from finn.util.settings import get_settings

from peritus.finn.errors import UnmappedNodeError

TOP = "peritus_dataflow"
_MEMORY_SOURCES = ("axi/hdl/axilite.sv", "memstream/hdl/memstream_axi.sv", "memstream/hdl/memstream.sv")
_FAST = ("pumpedMemory", "pumpedCompute")
_WIDTH = re.compile(r"parameter\s+WIDTH\s*=\s*(\d+)")


@dataclass(frozen=True)
class _Memory:
    """port: the node's stream of constants. suffix: of the module that FINN generates for them."""

    port: str
    suffix: str


# Nodes with constants, their modes of keeping them, and the memory that then stands beside the node.
_CONSTANTS: Mapping[str, Mapping[str, _Memory | None]] = {
    "MVAU_rtl": {"internal_decoupled": _Memory("in1_V", "_memstream_wrapper")},
    "Requant_rtl": {
        "internal_embedded": None,
        "internal_decoupled": _Memory("s_params_V", "_params_memstream_wrapper"),
    },
    "Thresholding_rtl": {"": None},
}


@dataclass(frozen=True)
class Stitched:
    """top: module with streams in0_V, ..., out0_V, ... in the order of the graph's inputs and outputs."""

    top: str
    sources: tuple[Path, ...]


def stitch(model: Any, folder: Path) -> Stitched:
    """Write the module around all nodes of `model` into `folder`.

    Raises:
        UnmappedNodeError: a node has no RTL, which is what can be simulated here, or keeps its constants in a
        way that is not known here.
    """
    model.transform(ReplaceVerilogRelPaths())
    sources: list[Path] = []
    lines: list[str] = []
    wires: dict[str, int] = {}
    for node in model.graph.node:
        if not node.domain.endswith(".rtl"):
            raise UnmappedNodeError(
                node.name, f"{node.op_type} has no RTL back end, only RTL is simulated here"
            )
        custom = getHWCustomOp(node)
        sources += [Path(name) for name in custom.get_rtl_file_list(abspath=True)]
        names = custom.get_verilog_top_module_intf_names()
        ports = [".ap_clk(ap_clk)", ".ap_rst_n(ap_rst_n)"]
        streamed = [name for name in node.input if model.get_initializer(name) is None]
        memory = _memory(node, custom) if len(streamed) < len(node.input) else None
        for tensors, interfaces in ((streamed, names["s_axis"]), (node.output, names["m_axis"])):
            for tensor, (port, width) in zip(tensors, interfaces, strict=True):
                wires[tensor] = width
                ports += _stream(port, tensor, model)
        if node.op_type == "MVAU_rtl":
            if fast := [name for name in _FAST if custom.get_nodeattr(name)]:
                raise UnmappedNodeError(
                    node.name, f"{fast[0]} wants a second clock; a chain has one: set it to 0"
                )
            ports.append(".ap_clk2x(ap_clk)")
        if memory is not None:
            lines += _stream_of_constants(node, custom, memory, sources)
            ports += [f".{memory.port}_{s}({node.name}_w_{s})" for s in _SIGNALS]
        lines.append(f"  {custom.get_verilog_top_module_name()} {node.name}_inst ({', '.join(ports)});")
    path = folder / f"{TOP}.v"
    path.write_text("\n".join(_module(model, wires, lines)))
    return Stitched(TOP, (*dict.fromkeys(sources), path))


_SIGNALS = ("TDATA", "TVALID", "TREADY")


def _wire(tensor: str, model: Any) -> str:
    """The name of a tensor's stream: one of the module's, or an inner one by number."""
    for way, tensors in (("in", model.graph.input), ("out", model.graph.output)):
        for index, info in enumerate(tensors):
            if info.name == tensor:
                return f"{way}{index}_V"
    return "s_" + "".join(c if c.isalnum() else "_" for c in tensor)


def _stream(port: str, tensor: str, model: Any) -> list[str]:
    return [f".{port}_{signal}({_wire(tensor, model)}_{signal})" for signal in _SIGNALS]


def _memory(node: Any, custom: Any) -> _Memory | None:
    """What stands beside a node with constants; None: it has them inside."""
    modes = _CONSTANTS.get(node.op_type)
    if modes is None:
        known = ", ".join(_CONSTANTS)
        raise UnmappedNodeError(node.name, f"{node.op_type} has constants, which are known here of {known}")
    mode = "" if "" in modes else custom.get_nodeattr("mem_mode")
    if mode not in modes:
        raise UnmappedNodeError(
            node.name, f"constants in mode {mode!r}; set mem_mode to {' or '.join(modes)}"
        )
    return modes[mode]


def _stream_of_constants(node: Any, custom: Any, memory: _Memory, sources: list[Path]) -> list[str]:
    """The memory of a node's constants, which plays them again and again."""
    library = Path(get_settings().finn_rtllib)
    module = f"{node.name}{memory.suffix}"
    file = Path(custom.get_nodeattr("code_gen_dir_ipgen")) / f"{module}.v"
    sources += [*(library / name for name in _MEMORY_SOURCES), file]
    found = _WIDTH.search(file.read_text())
    assert found is not None, file  # FINN's template has it
    width = -(-int(found[1]) // 8) * 8
    idle = ["awvalid", "awprot", "awaddr", "wvalid", "wdata", "wstrb", "bready", "arvalid", "arprot"]
    idle += ["araddr", "rready"]
    return [
        f"  wire [{width - 1}:0] {node.name}_w_TDATA; wire {node.name}_w_TVALID, {node.name}_w_TREADY;",
        f"  {module} {node.name}_weights (.ap_clk(ap_clk), .ap_clk2x(ap_clk), .ap_rst_n(ap_rst_n), "
        + ", ".join(f".s_axilite_{name.upper()}(0)" for name in idle)
        + ", .s_axis_0_tvalid(1'b0), .s_axis_0_tdata(0), "
        + ", ".join(f".m_axis_0_{s.lower()}({node.name}_w_{s})" for s in _SIGNALS)
        + ");",
    ]


def _module(model: Any, widths: dict[str, int], lines: list[str]) -> Iterator[str]:
    ports = ["input ap_clk", "input ap_rst_n"]
    inputs = {info.name for info in model.graph.input}
    outputs = {info.name for info in model.graph.output}
    inner = []
    for tensor, width in widths.items():
        name, into = _wire(tensor, model), tensor in inputs
        if into or tensor in outputs:
            way, back = ("input", "output") if into else ("output", "input")
            ports += [f"{way} [{width - 1}:0] {name}_TDATA", f"{way} {name}_TVALID", f"{back} {name}_TREADY"]
        else:
            inner.append(f"  wire [{width - 1}:0] {name}_TDATA; wire {name}_TVALID, {name}_TREADY;")
    yield "// Written by peritus.finn.stitch."
    yield f"module {TOP} (\n  " + ",\n  ".join(ports) + "\n);"
    yield from inner
    yield from lines
    yield "endmodule"
    yield ""
