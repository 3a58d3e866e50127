# SPDX-License-Identifier: Apache-2.0
"""FINN's own RTL nodes and ours in one chain, one simulated module; foldings that are not the front end's."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tests.finn.one_node import CLOCK_NS, PART

ROWS, COLUMNS, FRAMES = 12, 16, 4
FPGA = "finn.custom_op.fpgadataflow"
Array = npt.NDArray[np.int64]


def constants() -> dict[str, Any]:
    rng = np.random.default_rng(11)
    return {
        "w": rng.integers(-127, 128, (ROWS, COLUMNS)),
        "scale": np.full(COLUMNS, 2.0**-7, np.float32),
        "bias": rng.integers(-8, 8, COLUMNS).astype(np.float32),
        "multiplier": rng.integers(1 << 15, 1 << 16, COLUMNS),
        "t": np.sort(rng.integers(-40, 1500, (COLUMNS, 15)), axis=1),
    }


def expected(x: Array) -> Array:
    """[frames, COLUMNS, COLUMNS] as the chain must have it, by numpy and peritus.reference."""
    from peritus.reference import gelu, requantize, saturate

    c = constants()
    sums = x.swapaxes(1, 2) @ c["w"]
    rows = np.floor(sums * c["scale"].astype(float) + c["bias"] + 0.5).clip(-128, 127).astype(np.int64)
    wide = requantize(rows, np.zeros(COLUMNS, np.int64), c["multiplier"], np.full(COLUMNS, 12))
    return (gelu(saturate(wide, 24))[..., None] >= c["t"]).sum(axis=-1) - 8


def chain() -> Any:
    """x -> InnerShuffle -> MVAU -> Requant -> PeritusRequant -> PeritusGelu -> Thresholding -> y."""
    from finn.transformation.fpgadataflow.specialize_layers import SpecializeLayers
    from onnx import TensorProto, helper
    from qonnx.core.datatype import DataType
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.custom_op.registry import getCustomOp
    from qonnx.transformation.general import GiveUniqueNodeNames

    c = constants()
    vectors = {"numInputVectors": [1, COLUMNS]}
    shape = [1, ROWS, COLUMNS]
    nodes = [
        ("InnerShuffle", ["x"], {"in_shape": shape, "transpose_in_shape": shape, "data_type": "INT8", "SIMD": 2}),
        (
            "MVAU", ["w"],
            {**vectors, "MW": ROWS, "MH": COLUMNS, "SIMD": 2, "PE": 4, "noActivation": 1, "inputDataType": "INT8",
             "weightDataType": "INT8", "outputDataType": "INT20"},
        ),
        (
            "Requant", ["scale", "bias"],
            {**vectors, "NumChannels": COLUMNS, "PE": 4, "inputDataType": "INT20", "outputDataType": "INT8"},
        ),
        (
            "PeritusRequant", [],
            {**vectors, "NumChannels": COLUMNS, "PE": 2, "inputDataType": "INT8", "outputDataType": "INT24",
             "bias": [0] * COLUMNS, "multiplier": c["multiplier"].tolist(), "shift": [12] * COLUMNS},
        ),
        ("PeritusGelu", [], {**vectors, "NumChannels": COLUMNS, "PE": 2}),
        (
            "Thresholding", ["t"],
            {**vectors, "NumChannels": COLUMNS, "PE": 4, "numSteps": 15, "ActVal": -8, "inputDataType": "INT16",
             "weightDataType": "INT16", "outputDataType": "INT4"},
        ),
    ]  # fmt: skip
    kinds = ["INT8", "INT8", "INT20", "INT8", "INT24", "INT16", "INT4"]
    names = [*(f"s{i}" for i in range(len(nodes))), "y"]
    names[0] = "x"
    tensors = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape if name == "x" else [1, COLUMNS, size])
        for name, size in zip(names, [0, ROWS, *[COLUMNS] * 5], strict=True)
    ]
    made = [
        helper.make_node(
            *(op, [names[i], *(name for name in extra if name != "x")], [names[i + 1]]), domain=FPGA,
            backend="fpgadataflow", **attributes,
        )
        for i, (op, extra, attributes) in enumerate(nodes)
    ]  # fmt: skip
    graph = helper.make_graph(made, "chain", tensors[:1], tensors[-1:], value_info=tensors[1:-1])
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid(FPGA, 1)]
    model = ModelWrapper(helper.make_model(graph, opset_imports=opsets))
    for name, kind in zip(names, kinds, strict=True):
        model.set_tensor_datatype(name, DataType[kind])
    for name, kind in (("w", "INT8"), ("scale", "FLOAT32"), ("bias", "FLOAT32"), ("t", "INT16")):
        model.set_initializer(name, c[name].astype(np.float32))
        model.set_tensor_datatype(name, DataType[kind])
    model = model.transform(SpecializeLayers(PART)).transform(GiveUniqueNodeNames())
    getCustomOp(model.get_nodes_by_op_type("Requant_rtl")[0]).set_nodeattr("mem_mode", "internal_decoupled")
    return model


def test_nodes_of_both_in_one_chain(finn: Path, tmp_path: Path) -> None:
    from finn.transformation.fpgadataflow.prepare_ip import PrepareIP

    from peritus.finn.chain import Chain
    from peritus.finn.steps import step_peritus_fifos
    from tests.finn.test_networks import config

    model = step_peritus_fifos(chain(), config(tmp_path, []))
    kinds = [node.op_type for node in model.graph.node]
    assert kinds.count("StreamingDataWidthConverter_rtl") > 0
    assert set(kinds) > {"InnerShuffle_rtl", "MVAU_rtl", "Requant_rtl", "Thresholding_rtl", "PeritusGelu_rtl"}
    simulated = Chain(model.transform(PrepareIP(PART, CLOCK_NS)), tmp_path)
    x = np.random.default_rng(12).integers(-128, 128, (FRAMES, ROWS, COLUMNS))
    wanted = expected(x)
    assert len(np.unique(wanted)) > 10
    for stall in (0, 64):
        found, cycles = simulated.run(x, stall)
        print(f"nodes of both, stall {stall}: {FRAMES} frames in {cycles} cycles")
        assert np.count_nonzero(found != wanted) == 0
