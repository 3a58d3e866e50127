# SPDX-License-Identifier: Apache-2.0
"""From a board's description to the folder that is copied onto it.

board.py        boards/<name>/board.toml, typed
ports.py        the accelerator's ports, read from its SystemVerilog
wrapper.py      its Verilog wrapper for the IP packager
project.py      a Vivado batch project: sources, constraints, settings, the scripts of tcl/
vivado.py       finding and running Vivado
reports.py      its reports as JSON
package.py      what goes onto the board: bitstream, .hwh, bundle, run script, notebook
"""
