# SPDX-License-Identifier: Apache-2.0
"""From a Brevitas network to dataflow: QONNX to the integer graph, and that to streaming nodes."""

from peritus.finn.frontend.lowering import to_dataflow

__all__ = ["to_dataflow"]
