# SPDX-License-Identifier: Apache-2.0
"""The RTL back end of our nodes: a Verilog module under FINN's port names around a module of rtl/finn."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import numpy.typing as npt
from finn.custom_op.fpgadataflow import register_custom_op
from finn.custom_op.fpgadataflow.rtl import register_custom_op as register_rtl
from finn.custom_op.fpgadataflow.rtlbackend import RTLBackend
from qonnx.core.datatype import DataType

from peritus.eda.sources import design_files
from peritus.finn.nodes.node import PeritusNode, Stream
from peritus.finn.packing import beats_of, pack, unpack, words_of


class RtlNode(RTLBackend):
    """Mixed into a PeritusNode by `register`."""

    def generate_hdl(self, model: Any, fpgapart: str, clk: float) -> None:
        node, folder = cast(PeritusNode, self), Path(self.get_nodeattr("code_gen_dir_ipgen"))
        name = self.get_verilog_top_module_name()
        self.set_nodeattr("gen_top_module", name)
        table = node.table()
        if table is not None:
            (folder / f"{name}.dat").write_text(table.text)
        (folder / f"{name}.v").write_text("\n".join(_wrapper(name, node, table is not None)))
        self.set_nodeattr("ipgen_path", str(folder))
        self.set_nodeattr("ip_path", str(folder))

    def get_rtl_file_list(self, abspath: bool = False) -> list[str]:
        wrapper = Path(self.get_nodeattr("code_gen_dir_ipgen")) / f"{self.get_verilog_top_module_name()}.v"
        files = [*design_files(cast(PeritusNode, self).module), wrapper]
        return [str(path) if abspath else path.name for path in files]

    def code_generation_ipi(self) -> list[str]:
        name = self.onnx_node.name
        return [
            *(f"add_files -norecurse {path}" for path in self.get_rtl_file_list(abspath=True)),
            f"create_bd_cell -type module -reference {self.get_nodeattr('gen_top_module')} {name}",
        ]

    def execute_node(self, context: dict[str, npt.NDArray[Any]], graph: Any) -> None:
        node = cast(PeritusNode, self)
        if self.get_nodeattr("exec_mode") != "rtlsim":
            PeritusNode.execute_node(node, context, graph)
            return
        inputs = {
            f"in{index}": beats_of(pack(node.take(context, index), stream.lanes, stream.bits))
            for index, stream in enumerate(node.streams_in())
        }
        outputs: dict[str, list[int]] = {f"out{index}": [] for index in range(len(node.streams_out()))}
        simulation = self.get_rtlsim()
        self.reset_rtlsim(simulation)
        try:
            self.rtlsim_multi_io(simulation, {"inputs": inputs, "outputs": outputs})
        finally:
            self.close_rtlsim(simulation)
        for index, stream in enumerate(node.streams_out()):
            bits = stream.lanes * stream.bits
            words = words_of([beat & ((1 << bits) - 1) for beat in outputs[f"out{index}"]], bits)
            signed = bool(DataType[stream.kind].signed())
            node.give(context, index, unpack(words, stream.lanes, stream.bits, signed))


def _wrapper(name: str, node: PeritusNode, has_table: bool) -> Iterator[str]:
    ports, connections = ["input ap_clk", "input ap_rst_n"], [".clk_i(ap_clk)", ".rst_ni(ap_rst_n)"]
    lines = []
    for way, streams, names in (
        ("in", node.streams_in(), node.ports_in),
        ("out", node.streams_out(), node.ports_out),
    ):
        into, back = ("input", "output") if way == "in" else ("output", "input")
        for index, stream in enumerate(streams):
            port, bits, padded = f"{way}{index}_V", stream.lanes * stream.bits, _bytes(stream)
            ports += [
                f"{into} [{padded - 1}:0] {port}_TDATA",
                f"{into} {port}_TVALID",
                f"{back} {port}_TREADY",
            ]
            if way == "out" and padded > bits:
                lines.append(f"  assign {port}_TDATA[{padded - 1}:{bits}] = 0;")
            if names:
                expressions = (f"{port}_TVALID", f"{port}_TREADY", f"{port}_TDATA[{bits - 1}:0]")
                connections += [f".{p}({e})" for p, e in zip(names[index], expressions, strict=True)]
    parameters = [f".{key}({value})" for key, value in node.parameters().items()]
    if has_table:
        parameters.append(f'.File("./{name}.dat")')  # FINN makes it absolute
    yield f"module {name} (\n  " + ",\n  ".join(ports) + "\n);"
    yield from lines
    yield f"  {node.module} #(" + ", ".join(parameters) + ") inst ("
    yield "    " + ",\n    ".join([*connections, *node.other_connections()]) + "\n  );"
    yield "endmodule"
    yield ""


def _bytes(stream: Stream) -> int:
    """Bits of a beat, in whole bytes as AXI streams have them."""
    return -(-stream.lanes * stream.bits // 8) * 8


def register(node: type[PeritusNode]) -> None:
    """Make a node and its RTL back end known to FINN."""
    register_custom_op(node)
    register_rtl(type(f"{node.__name__}_rtl", (RtlNode, node), {"__doc__": node.__doc__}))
