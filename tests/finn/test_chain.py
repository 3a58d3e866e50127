# SPDX-License-Identifier: Apache-2.0
"""FINN's own RTL nodes and ours in one chain: one module on Verilator."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from tests.finn.one_node import CLOCK_NS, PART

ROWS, COLUMNS, FRAMES = 12, 16, 4
FPGA = "finn.custom_op.fpgadataflow"
CONSTANTS = {"w": "INT8", "scale": "FLOAT32", "bias": "FLOAT32", "t": "INT16"}  # with their types
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


def nodes() -> list[tuple[str, str, list[str], dict[str, Any]]]:
    """Operator, data type of its input, constants, attributes; the chain in its order."""
    shape, multiplier = [1, ROWS, COLUMNS], constants()["multiplier"].tolist()
    scale = {"bias": [0] * COLUMNS, "multiplier": multiplier, "shift": [12] * COLUMNS}
    return [
        ("InnerShuffle", "INT8", [], {"in_shape": shape, "transpose_in_shape": shape, "data_type": "INT8"}),
        ("MVAU", "INT8", ["w"], {"MW": ROWS, "MH": COLUMNS, "noActivation": 1, "SIMD": 2, "PE": 4}),
        ("Requant", "INT20", ["scale", "bias"], {"PE": 4}),
        ("PeritusRequant", "INT8", [], {"PE": 2, **scale}),
        ("PeritusGelu", "INT24", [], {"PE": 2}),
        ("Thresholding", "INT16", ["t"], {"PE": 4, "numSteps": 15, "ActVal": -8}),
    ]


def chain(**changed: Any) -> Any:
    """The nodes, specialized. changed: attributes of the MVAU."""
    from finn.transformation.fpgadataflow.specialize_layers import SpecializeLayers
    from onnx import TensorProto, helper
    from qonnx.core.datatype import DataType
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.custom_op.registry import getCustomOp
    from qonnx.transformation.general import GiveUniqueNodeNames

    kinds = [kind for _, kind, _, _ in nodes()] + ["INT4"]
    made = []
    for index, (op, kind, extra, attributes) in enumerate(nodes()):
        if op != "InnerShuffle":
            attributes |= {"inputDataType": kind, "outputDataType": kinds[index + 1]}
            attributes |= {"numInputVectors": [1, COLUMNS], "NumChannels": COLUMNS}
        if op in ("MVAU", "Thresholding"):
            attributes["weightDataType"] = CONSTANTS[extra[0]]
        for name in {"MVAU": ("NumChannels",), "PeritusGelu": ("outputDataType",)}.get(op, ()):
            del attributes[name]
        made.append(
            helper.make_node(
                *(op, [f"x{index}", *extra], [f"x{index + 1}"]),
                domain=FPGA,
                backend="fpgadataflow",
                **attributes,
            )
        )
    shapes = [[1, ROWS, COLUMNS], [1, COLUMNS, ROWS], *[[1, COLUMNS, COLUMNS]] * 5]
    tensors = [
        helper.make_tensor_value_info(f"x{index}", TensorProto.FLOAT, shape)
        for index, shape in enumerate(shapes)
    ]
    graph = helper.make_graph(made, "chain", tensors[:1], tensors[-1:], value_info=tensors[1:-1])
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid(FPGA, 1)]
    model = ModelWrapper(helper.make_model(graph, opset_imports=opsets))
    for index, kind in enumerate(kinds):
        model.set_tensor_datatype(f"x{index}", DataType[kind])
    for name, kind in CONSTANTS.items():
        model.set_initializer(name, constants()[name].astype(np.float32))
        model.set_tensor_datatype(name, DataType[kind])
    model = model.transform(SpecializeLayers(PART)).transform(GiveUniqueNodeNames())
    getCustomOp(model.get_nodes_by_op_type("Requant_rtl")[0]).set_nodeattr("mem_mode", "internal_decoupled")
    for name, value in changed.items():
        getCustomOp(model.get_nodes_by_op_type("MVAU_rtl")[0]).set_nodeattr(name, value)
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


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("mem_mode", "external", r"'MVAU_rtl_0' .* in mode 'external'; set mem_mode to internal_decoupled"),
        ("pumpedMemory", 1, r"'MVAU_rtl_0' .* pumpedMemory wants a second clock.*set it to 0"),
    ],
)
def test_what_a_chain_does_not_hold_is_named(
    finn: Path, tmp_path: Path, name: str, value: Any, message: str
) -> None:
    from finn.transformation.fpgadataflow.prepare_ip import PrepareIP

    from peritus.finn.errors import UnmappedNodeError
    from peritus.finn.stitch import stitch

    with pytest.raises(UnmappedNodeError, match=message):
        stitch(chain(**{name: value}).transform(PrepareIP(PART, CLOCK_NS)), tmp_path)


def test_constants_of_an_unknown_node_are_named(
    finn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from finn.transformation.fpgadataflow.prepare_ip import PrepareIP

    import peritus.finn.stitch as stitching
    from peritus.finn.errors import UnmappedNodeError

    model = chain().transform(PrepareIP(PART, CLOCK_NS))
    known = {key: value for key, value in stitching._CONSTANTS.items() if key != "Thresholding_rtl"}
    monkeypatch.setattr(stitching, "_CONSTANTS", known)
    with pytest.raises(
        UnmappedNodeError, match=r"Thresholding_rtl has constants, .* known here of MVAU_rtl, R"
    ):
        stitching.stitch(model, tmp_path)
