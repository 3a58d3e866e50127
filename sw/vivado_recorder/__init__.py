# SPDX-License-Identifier: Apache-2.0
"""A strict recorder of Vivado scripts, for machines without Vivado.

    recording = record(Path("build.tcl"))

The script runs in a real Tcl interpreter. commands.toml lists the Vivado commands that it may use, with their
options as documented; catalog.toml the IP, parts, boards and properties. Anything else is a failure, and so
are missing files, pins and interfaces that do not exist or stay open, different clocks, clocks that no PLL
makes, and segments without an address. Constraint files run in an interpreter of their own; Verilator, where
it is given, elaborates the HDL of the IP. It shows that the script is well formed and its design whole;
not that Vivado accepts it.
"""

from vivado_recorder.errors import RecorderError, ScriptError, TclMissing
from vivado_recorder.hdl import Verilator
from vivado_recorder.recorder import Recording, record

__all__ = ["RecorderError", "Recording", "ScriptError", "TclMissing", "Verilator", "record"]
