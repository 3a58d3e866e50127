# SPDX-License-Identifier: Apache-2.0
"""A convolutional stem in FINN's dataflow, the whole accelerator behind it as one node: the bundle's bits."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from tests.finn.one_node import PART, built, check_cycles

HEIGHT, WIDTH, RGB = 32, 64, 3
KERNEL, STRIDE = 3, 2  # the camera's image has twice the rows and columns
WINDOW = KERNEL**2 * RGB
STEM = ["FMPadding_rtl", "ConvolutionInputGenerator_rtl", "MVAU_rtl", "PeritusRequant_rtl"]
FPGA = "finn.custom_op.fpgadataflow"
FRAMES = 2
Array = npt.NDArray[np.int64]


@functools.cache
def stem() -> dict[str, Array]:
    """Constants: a convolution, its windows in rows [y, x, channel], and its requantization."""
    rng = np.random.default_rng(3)
    return {
        "weights": rng.integers(-90, 91, (WINDOW, RGB)),
        "bias": rng.integers(-2000, 2000, RGB),
        "multiplier": rng.integers(1 << 15, 1 << 16, RGB),
        "shift": rng.integers(24, 26, RGB),
    }


def colours(camera: Array) -> npt.NDArray[np.uint8]:
    """What the stem must give of [rows, columns, channels], as pixels."""
    from peritus.reference import requantize, saturate

    constants = stem()
    padded = np.pad(camera, ((1, 0), (1, 0), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (KERNEL, KERNEL), (0, 1))[::STRIDE, ::STRIDE]
    sums = windows.transpose(0, 1, 3, 4, 2).reshape(HEIGHT, WIDTH, WINDOW) @ constants["weights"]
    rows = requantize(sums, constants["bias"], constants["multiplier"], constants["shift"])
    return (saturate(rows, 8) + 128).astype(np.uint8)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from peritus.arch.config import load_config
    from peritus.compiler import compile_model
    from peritus.ir.random_model import Dims, random_model

    compiled = compile_model(random_model(Dims(height=HEIGHT, width=WIDTH, layers=1)), load_config("nano"))
    path = tmp_path_factory.mktemp("bundle") / "vit.bundle"
    compiled.save(path)
    return path


def graph(bundle: Path, **attributes: Any) -> Any:
    """x -> FMPadding -> ConvolutionInputGenerator -> MVAU -> PeritusRequant -> PeritusAccelerator -> y."""
    from onnx import TensorProto, helper
    from qonnx.core.datatype import DataType
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.transformation.infer_datatypes import InferDataTypes
    from qonnx.transformation.infer_shapes import InferShapes

    constants = stem()
    rows, columns = STRIDE * HEIGHT, STRIDE * WIDTH
    pixels = {"numInputVectors": [1, HEIGHT, WIDTH]}
    nodes = [
        helper.make_node(
            *("FMPadding", ["x"], ["padded"]), domain=FPGA, backend="fpgadataflow", name="pad",
            ImgDim=[rows, columns], Padding=[1, 1, 0, 0], NumChannels=RGB, SIMD=RGB, inputDataType="INT8",
        ),
        helper.make_node(
            *("ConvolutionInputGenerator", ["padded"], ["windows"]), domain=FPGA, backend="fpgadataflow",
            name="slide", ConvKernelDim=[KERNEL] * 2, IFMChannels=RGB, IFMDim=[rows + 1, columns + 1],
            OFMDim=[HEIGHT, WIDTH], SIMD=RGB, Stride=[STRIDE] * 2, Dilation=[1, 1], inputDataType="INT8",
            outputDataType="INT8",
        ),
        helper.make_node(
            *("MVAU", ["windows", "w"], ["sums"]), domain=FPGA, backend="fpgadataflow", name="stem", **pixels,
            MW=WINDOW, MH=RGB, SIMD=RGB, PE=RGB, noActivation=1, inputDataType="INT8", weightDataType="INT8",
            outputDataType="INT20",
        ),
        helper.make_node(
            *("PeritusRequant", ["sums"], ["image"]), domain=FPGA, backend="fpgadataflow", name="scale",
            **pixels, NumChannels=RGB, PE=RGB, inputDataType="INT20",
            **{name: constants[name].tolist() for name in ("bias", "multiplier", "shift")},
        ),
        helper.make_node(
            *("PeritusAccelerator", ["image"], ["y"]), domain="peritus.finn.accelerator", name="vit",
            bundle=str(bundle), **attributes,
        ),
    ]  # fmt: skip
    tensors = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in (("x", [1, rows, columns, RGB]), ("y", None))
    ]
    domains = ("", FPGA, "peritus.finn.accelerator")
    opsets = [helper.make_opsetid(domain, 18 if domain == "" else 1) for domain in domains]
    model = ModelWrapper(
        helper.make_model(
            helper.make_graph(nodes, "stem_and_vit", *([t] for t in tensors)), opset_imports=opsets
        )
    )
    model.set_tensor_datatype("x", DataType["INT8"])
    model.set_initializer("w", constants["weights"].astype(np.float32))
    model.set_tensor_datatype("w", DataType["INT8"])
    return model.transform(InferShapes()).transform(InferDataTypes())


def simulated(model: Any, folder: Path) -> Any:
    """The stem partitioned off and on Verilator, node by node; the accelerator stays beside it."""
    from finn.transformation.fpgadataflow.create_dataflow_partition import CreateDataflowPartition
    from finn.transformation.fpgadataflow.specialize_layers import SpecializeLayers
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.custom_op.registry import getCustomOp
    from qonnx.transformation.general import GiveUniqueNodeNames

    parent = model.transform(CreateDataflowPartition(str(folder)))
    assert [node.op_type for node in parent.graph.node] == [
        "StreamingDataflowPartition",
        "PeritusAccelerator",
    ]
    path = getCustomOp(parent.graph.node[0]).get_nodeattr("model")
    child = ModelWrapper(path).transform(SpecializeLayers(PART)).transform(GiveUniqueNodeNames())
    assert [node.op_type for node in child.graph.node] == STEM
    built(child).save(path)
    return parent


@pytest.mark.parametrize("device", ["iss", "hls", "rtl"])
def test_a_stem_and_the_accelerator(finn: Path, tmp_path: Path, bundle: Path, device: str) -> None:
    from qonnx.core.onnx_exec import execute_onnx

    from peritus.bundle import Bundle
    from peritus.runtime.iss.device import IssDevice

    loaded = Bundle.load(bundle)
    task = loaded.tasks[0]
    model = simulated(graph(bundle, task=task.name, device=device), tmp_path)
    assert model.get_tensor_shape("y") == [1, task.rows, task.columns, task.channels]
    rng = np.random.default_rng(5)
    with IssDevice(loaded.hw) as reference:
        reference.load(loaded)
        for _ in range(FRAMES):
            camera = rng.integers(-128, 128, (1, STRIDE * HEIGHT, STRIDE * WIDTH, RGB))
            found = execute_onnx(model, {"x": camera.astype(np.float32)})["y"]
            image = colours(camera[0])
            assert len(np.unique(image)) > 100
            expected = reference.run(image, task=task.name).outputs[task.name]
            assert np.array_equal(found[0], expected)


def test_cycles_of_the_accelerator(finn: Path, bundle: Path) -> None:
    from qonnx.custom_op.registry import getCustomOp

    node = getCustomOp(graph(bundle, task="task0", device="rtl", frames=FRAMES).graph.node[-1])
    pixels = np.random.default_rng(6).integers(-128, 128, (FRAMES, HEIGHT, WIDTH, RGB))
    node.execute_node({"image": pixels.astype(np.float32)}, None)
    check_cycles(node, 0.1)


def test_what_does_not_fit_is_named(finn: Path, bundle: Path) -> None:
    from qonnx.custom_op.registry import getCustomOp

    from peritus.bundle.errors import BundleError, BundleTaskError
    from peritus.finn.errors import NodeInputError

    with pytest.raises(BundleTaskError, match="unknown task 'night'"):
        graph(bundle, task="night")
    with pytest.raises(BundleError):
        graph(bundle.with_name("none"), task="task0")
    node = getCustomOp(graph(bundle, task="task0").graph.node[-1])
    with pytest.raises(NodeInputError, match=r"'vit': input is \(1, 8, 8, 3\), frames of the bundle are"):
        node.execute_node({"image": np.zeros((1, 8, 8, 3))}, None)
    values = np.zeros((1, HEIGHT, WIDTH, RGB))
    values[0, 0, 0, 0] = 200
    with pytest.raises(NodeInputError, match=r"values from 0\.0 to 200\.0.*takes INT8"):
        node.execute_node({"image": values}, None)
