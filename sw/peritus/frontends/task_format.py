# SPDX-License-Identifier: Apache-2.0
"""The custom QONNX operator that says which task a map belongs to.

    map = Task(map; index, name, kind, classes, host)

It passes its input on. `index` (int): the value of the graph's task input for this task, the same as the
position of its gate. `name` (string), `kind` (string, of peritus.ir.Task), `classes` (strings, may be empty).
`host` (ints): empty; or rows, columns and channels of a map that the host computes, the input then being the
residual stream.
An operator, because tools that clean up or reorder a graph rename its outputs, and keep its nodes.
"""

from __future__ import annotations

TASK = "Task"
