# SPDX-License-Identifier: Apache-2.0
"""The HLS back end of nodes whose function is one of the twin's: a C++ function of streams around hls/finn.

FINN writes the script and calls Vitis HLS for it, which was not run here. The simulation in C++ (cppsim) is
g++ with AMD's headers of ap_int (package hls4ml): FINN's own wants finn-hlslib and a Vitis installation.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from finn.custom_op.fpgadataflow.hls import register_custom_op as register_in_finn
from finn.custom_op.fpgadataflow.hlsbackend import HLSBackend
from qonnx.core.datatype import DataType

from peritus.arch.config import load_config
from peritus.eda.csim import WAIVERS, ap_types, include_folders
from peritus.eda.process import run_step
from peritus.eda.verilator.install import CXX
from peritus.finn.errors import NodeRunError
from peritus.finn.nodes.node import CxxNode
from peritus.finn.packing import pack, unpack
from peritus.resources import resource

STANDARD = "c++14"  # as FINN's script for Vitis asks
BUILD_S, RUN_S = 120.0, 120.0
# The functions do not depend on the configuration; the header of one names the activations.
_HEADERS_OF = "nano"


class HlsNode(HLSBackend):
    """Mixed into a CxxNode by `register_hls`."""

    # --- FINN's parts of the C++ for Vitis ---

    def generate_params(self, model: Any, path: str | Path, fpgapart: str | None = None) -> None:
        """The headers that the C++ includes, beside it."""
        folders = [resource("hls/finn"), *include_folders(load_config(_HEADERS_OF))]
        for header in (header for folder in folders for header in sorted(folder.glob("*.hpp"))):
            shutil.copy(header, Path(path) / header.name)

    def global_includes(self) -> None:
        self.code_gen_dict["$GLOBALS$"] = ['#include "streams.hpp"']

    def defines(self, var: str) -> None:
        tables = cast(CxxNode, self).cxx().tables.items()
        self.code_gen_dict["$DEFINES$"] = [
            f"const {kind} {name}[] = {{{', '.join(map(str, values))}}};" for name, (kind, values) in tables
        ]

    def blackboxfunction(self) -> None:
        streams = ", ".join(f"peritus::Stream<ap_uint<{bits}>> &{name}" for name, bits in self._streams())
        self.code_gen_dict["$BLACKBOXFUNCTION$"] = [f"void {self.onnx_node.name}({streams})"]

    def pragmas(self) -> None:
        ports = [f"#pragma HLS INTERFACE axis port={name}" for name, _ in self._streams()]
        self.code_gen_dict["$PRAGMAS$"] = [*ports, "#pragma HLS INTERFACE ap_ctrl_none port=return"]

    def docompute(self) -> None:
        code, names = cast(CxxNode, self).cxx(), [name for name, _ in self._streams()]
        arguments = ", ".join([*names, *code.arguments])
        self.code_gen_dict["$DOCOMPUTE$"] = [f"  peritus::finn::{code.function}({arguments});"]

    def _streams(self) -> list[tuple[str, int]]:
        node = cast(CxxNode, self)
        return [
            (f"{way}{index}_V", stream.lanes * stream.bits)
            for way, streams in (("in", node.streams_in()), ("out", node.streams_out()))
            for index, stream in enumerate(streams)
        ]

    # --- simulation in C++ ---

    def code_generation_cppsim(self, model: Any) -> None:
        folder = Path(self.get_nodeattr("code_gen_dir_cppsim"))
        self.generate_params(model, folder)
        for part in (self.global_includes, self.blackboxfunction, self.pragmas, self.docompute):
            part()
        self.defines("cppsim")
        code = {key: "\n".join(lines) for key, lines in self.code_gen_dict.items()}
        self.code_gen_dict.clear()
        streams = self._streams()

        def files(way: str, verb: str) -> str:
            moved = (
                f'peritus::finn::{verb}("{name}", {name})' for name, _ in streams if name.startswith(way)
            )
            return " && ".join(moved)

        lines = [
            '#include "files.hpp"',
            code["$DEFINES$"],
            f"{code['$BLACKBOXFUNCTION$']} {{\n{code['$PRAGMAS$']}\n{code['$DOCOMPUTE$']}\n}}\n",
            "int main() {",
            *(f"  peritus::Stream<ap_uint<{bits}>> {name};" for name, bits in streams),
            f"  if (!({files('in', 'read_stream')})) return 1;",
            f"  {self.onnx_node.name}({', '.join(name for name, _ in streams)});",
            f"  return {files('out', 'write_stream')} ? 0 : 1;",
            "}",
        ]
        (folder / "node.cpp").write_text("\n".join(lines) + "\n")

    def compile_singlenode_code(self) -> None:
        folder = Path(self.get_nodeattr("code_gen_dir_cppsim"))
        command = [CXX, f"-std={STANDARD}", "-O1", "-Wall", *WAIVERS, "-I.", "-isystem", str(ap_types())]
        command += ["node.cpp", "-o", "node"]
        log = folder / "compile.log"
        what = f"node {self.onnx_node.name!r} in C++: {CXX}"
        run_step(what, command, cwd=folder, log=log, timeout_s=BUILD_S)
        self.set_nodeattr("executable_path", str(folder / "node"))

    def execute_node(self, context: dict[str, npt.NDArray[Any]], graph: Any) -> None:
        node = cast(CxxNode, self)
        program = self.get_nodeattr("executable_path")
        if not program:  # not compiled: by its definition, as our RTL nodes
            CxxNode.execute_node(node, context, graph)
            return
        folder = Path(program).parent
        for index, stream in enumerate(node.streams_in()):
            beats = pack(node.take(context, index), stream.lanes, stream.bits)
            (folder / f"in{index}_V").write_bytes(beats.tobytes())
        try:
            ended = subprocess.run([program], cwd=folder, timeout=RUN_S, check=False).returncode
        except (OSError, subprocess.TimeoutExpired) as error:
            raise NodeRunError(f"node {self.onnx_node.name!r} in C++, {program}: {error}") from error
        if ended != 0:
            raise NodeRunError(f"node {self.onnx_node.name!r} in C++, {program}: exit status {ended}")
        for index, stream in enumerate(node.streams_out()):
            words = np.fromfile(folder / f"out{index}_V", "<u4").reshape(stream.beats, -1)
            signed = bool(DataType[stream.kind].signed())
            node.give(context, index, unpack(words, stream.lanes, stream.bits, signed))


def register_hls(node: type[CxxNode]) -> None:
    """Make the HLS back end of a node known to FINN."""
    register_in_finn(type(f"{node.__name__}_hls", (HlsNode, node), {"__doc__": node.__doc__}))
