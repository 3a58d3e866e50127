# SPDX-License-Identifier: Apache-2.0
"""Peritus' operators inside FINN, and FINN's RTL simulation without Vivado.

FINN is another project's compiler (finn-plus, in an environment of its own: `make test-finn`). Nothing
outside this package knows it, and nothing of it is copied. In the order of a build:

    environment   FINN without vendor tools: settings, version
    verilator     Verilator in the place of FINN's RTL simulator
    nodes         our streaming operators under FINN's attribute names
    frontend      the integer graph to a graph of such nodes
    steps         build steps, (model, cfg) -> model
    stitch        the nodes of a dataflow graph as one Verilog module
"""
