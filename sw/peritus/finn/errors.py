# SPDX-License-Identifier: Apache-2.0
"""What can go wrong with FINN and in it."""

from peritus.errors import PeritusError


class FinnError(PeritusError):
    """Something between Peritus and FINN."""


class FinnMissing(FinnError):
    """FINN is not installed, or another version of it; says how to get the one that this works with."""


class FinnStarted(FinnError):
    """FINN has already been imported with another RTL simulator."""


class FoldingError(FinnError):
    """A folding does not divide what it folds, or a size is out of range; names node, value and limit."""


class NodeInputError(FinnError):
    """A tensor does not fit a node's stream: shape, or values beyond the data type."""


class UnmappedNodeError(FinnError):
    """A node has no counterpart in dataflow; names the node and the reason."""

    def __init__(self, node: str, reason: str) -> None:
        super().__init__(f"node {node!r} is not mapped to dataflow hardware: {reason}")
        self.node = node


class NodeRunError(FinnError):
    """The compiled C++ of a node did not run to its end; names node and program."""


class SimulatorError(FinnError):
    """A design cannot be simulated: a port that is no stream, a design that stops; names module and port."""


class ChainDiffers(FinnError):
    """The simulated chain of nodes gives another value than the nodes themselves; says how many."""
