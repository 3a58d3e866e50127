# SPDX-License-Identifier: Apache-2.0
"""Static timing of a flat netlist before placement: an estimate, from published delays."""
