# SPDX-License-Identifier: Apache-2.0
"""PeritusAccelerator: the whole accelerator, with a bundle, as one node of a graph that FINN builds.

It is no stream but a kernel of its own behind memory: FINN's partition of dataflow nodes leaves it outside,
and what it reads is what the partition before it wrote. Its domain is this module's name: QONNX imports it.

    helper.make_node("PeritusAccelerator", ["image"], ["map"], domain="peritus.finn.accelerator",
                     bundle="m3vit.bundle", task="semseg", device="rtl")
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import NodeProto
from qonnx.core.datatype import DataType
from qonnx.custom_op.base import CustomOp

from peritus.bundle import Bundle
from peritus.bundle.header import TaskEntry
from peritus.cycles import even_routing, predict
from peritus.finn.errors import NodeInputError, UnmappedNodeError
from peritus.runtime import open_device

INPUT, OUTPUT = "INT8", "INT16"
PIXEL_OFFSET = 128  # a stem's values are signed, as everything in dataflow; pixels are not


class PeritusAccelerator(CustomOp):
    """x [frames, height, width, channels], INT8: pixels - 128 -> the map of a task, INT16 [frames, h, w, c].

    bundle: a file. task: of the bundle. device: iss, hls, or rtl, which simulates the RTL cycle by cycle.
    """

    def get_nodeattr_types(self) -> dict[str, tuple[Any, ...]]:
        return {
            "bundle": ("s", True, ""),
            "task": ("s", True, ""),
            "frames": ("i", False, 1),
            "device": ("s", False, "iss", {"iss", "hls", "rtl"}),
            "cycles_rtlsim": ("i", False, 0),  # of all frames, written by device rtl
        }

    def make_shape_compatible_op(self, model: Any) -> NodeProto:
        task = self._task(self._bundle())
        frames = int(self.get_nodeattr("frames"))
        node: NodeProto = self.make_const_shape_op([frames, task.rows, task.columns, task.channels])
        return node

    def infer_node_datatype(self, model: Any) -> None:
        model.set_tensor_datatype(self.onnx_node.output[0], DataType[OUTPUT])

    def verify_node(self) -> list[str]:
        """The bundle is there and has the task."""
        task = self._task(self._bundle())
        return [f"{self.onnx_node.name}: task {task.name}"]

    def execute_node(self, context: dict[str, npt.NDArray[Any]], graph: Any) -> None:
        """Raises NodeInputError if the input is no images of the bundle's size, else what a device raises."""
        bundle = self._bundle()
        task = self._task(bundle).name
        images = self._images(context[self.onnx_node.input[0]], bundle)
        with open_device(self.get_nodeattr("device"), hw=bundle.hw) as device:
            device.load(bundle)
            results = [device.run(image, task=task) for image in images]
        if device.name == "rtl":
            self.set_nodeattr("cycles_rtlsim", sum(result.perf.cycles or 0 for result in results))
        maps = [result.outputs[task] for result in results]
        context[self.onnx_node.output[0]] = np.stack(maps).astype(np.float32)

    def get_exp_cycles(self) -> int:
        """Of all frames, by the cycle model; tokens spread evenly over the experts."""
        bundle = self._bundle()
        task = self._task(bundle).name
        routing = even_routing(bundle, task)
        first, later = (predict(bundle, task, routing, cold=cold).cycles for cold in (True, False))
        return first + (int(self.get_nodeattr("frames")) - 1) * later

    def _bundle(self) -> Bundle:
        return Bundle.load(Path(self.get_nodeattr("bundle")))

    def _task(self, bundle: Bundle) -> TaskEntry:
        """BundleTaskError if there is none of that name; UnmappedNodeError if its map is no integers."""
        task = bundle.tasks[bundle.task_index(self.get_nodeattr("task"))]
        if task.host:
            reason = f"task {task.name} is computed by the host, in floating point; name another task"
            raise UnmappedNodeError(self.onnx_node.name, reason)
        return task

    def _images(self, values: npt.NDArray[Any], bundle: Bundle) -> npt.NDArray[np.uint8]:
        shape, kind = (int(self.get_nodeattr("frames")), *bundle.frame.shape), DataType[INPUT]
        if values.shape != shape:
            raise NodeInputError(
                f"node {self.onnx_node.name!r}: input is {values.shape}, frames of the bundle are {shape}"
            )
        pixels = values.astype(np.int64)
        if (pixels != values).any() or pixels.min() < kind.min() or pixels.max() > kind.max():
            raise NodeInputError(
                f"node {self.onnx_node.name!r}: input has values from {values.min()} to {values.max()}, or "
                f"fractions; it takes {INPUT}"
            )
        return (pixels + PIXEL_OFFSET).astype(np.uint8)


custom_op = {"PeritusAccelerator": PeritusAccelerator}  # where QONNX looks
