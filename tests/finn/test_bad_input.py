# SPDX-License-Identifier: Apache-2.0
"""What does not fit is named: node, value, limit, what to do."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.finn.networks import exported
from tests.finn.one_node import PART, model_of, the_node

GELU: dict[str, Any] = {"numInputVectors": [1, 2], "NumChannels": 6, "PE": 4}


@pytest.fixture
def gelu(finn: Path) -> Any:
    return model_of(
        "PeritusGelu", [("x", (1, 2, 6), "INT24")], [("y", (1, 2, 6), "INT16")], **{**GELU, "PE": 3}
    )


def test_a_folding_that_does_not_divide(gelu: Any) -> None:
    from peritus.finn.errors import FoldingError

    node = the_node(gelu)
    node.set_nodeattr("PE", 4)
    with pytest.raises(FoldingError, match=r"node 'PeritusGelu_rtl_0': PE = 4 must divide NumChannels = 6"):
        node.get_folded_input_shape()


def test_more_choices_than_experts(finn: Path) -> None:
    from peritus.finn.errors import FoldingError

    attributes = {"numInputVectors": [1, 2], "NumChannels": 4, "topk": 5}
    model = model_of(
        "PeritusRouter", [("x", (1, 2, 4), "INT16")], [("y", (1, 2, 10), "UINT16")], **attributes
    )
    with pytest.raises(FoldingError, match=r"topk = 5, 1 to NumChannels = 4 is allowed"):
        the_node(model).verify_node()


@pytest.mark.parametrize("value", [float(1 << 23), 0.5])
def test_values_that_the_stream_cannot_carry(gelu: Any, value: float) -> None:
    from peritus.finn.errors import NodeInputError

    x = np.full((1, 2, 6), value, np.float32)
    with pytest.raises(NodeInputError, match=r"x has values from .* the stream carries INT24"):
        the_node(gelu).execute_node({"x": x}, gelu.graph)


def test_another_shape(gelu: Any) -> None:
    from peritus.finn.errors import NodeInputError

    with pytest.raises(NodeInputError, match=r"x is \(2, 2, 6\), the stream \(1, 2, 6\)"):
        the_node(gelu).execute_node({"x": np.zeros((2, 2, 6), np.float32)}, gelu.graph)


def test_started_with_another_simulator(finn: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import finn.builder.build_dataflow_steps
    import finn.xsi

    from peritus.finn.errors import FinnStarted
    from peritus.finn.verilator import install

    install()  # ours is there: twice does no harm
    monkeypatch.delattr(finn.xsi, "SimEngine")
    with pytest.raises(FinnStarted, match=r"imported before peritus\.finn\.environment\.start\(\)"):
        install()


def test_a_chain_with_a_node_in_hls(finn: Path, tmp_path: Path) -> None:
    from finn.transformation.fpgadataflow.specialize_layers import SpecializeLayers

    from peritus.finn.errors import UnmappedNodeError
    from peritus.finn.stitch import stitch

    model = model_of(
        "DuplicateStreams",
        [("x", (1, 2, 6), "INT8")],
        [("a", (1, 2, 6), "INT8"), ("b", (1, 2, 6), "INT8")],
        NumChannels=6,
        NumOutputStreams=2,
        PE=1,
        inputDataType="INT8",
        numInputVectors=[1, 2],
    ).transform(SpecializeLayers(PART))
    with pytest.raises(UnmappedNodeError, match=r"DuplicateStreams_hls has no RTL back end"):
        stitch(model, tmp_path)


def test_sums_beyond_floats(finn: Path) -> None:
    """FINN's tensors are float32: a matrix whose sums they cannot hold is refused."""
    from peritus.finn.errors import UnmappedNodeError
    from peritus.finn.frontend.lowering import Lowering
    from peritus.ir.ops import Affine
    from peritus.ir.requant import requant

    weight = np.full((2, 1040), 127, np.int8)
    affine = Affine(weight, np.zeros(2, np.int32), requant([1.0, 1.0]))
    with pytest.raises(UnmappedNodeError, match=r"'wide' is not mapped .* sums reach 16906240"):
        Lowering(None, 0).affine("wide", "x", 1, affine, "INT8")  # type: ignore[arg-type]


@pytest.fixture
def network(finn: Path) -> Any:
    """An encoder in QONNX, to be spoiled."""
    return exported("encoder")


def test_a_softmax_without_quantizer(network: Any) -> None:
    _bypass(network, "softmax")
    _is_refused(
        network, r"'node_matmul_1' \(MatMul\): reads 'softmax' in float.* a quantizer is missing behind"
    )


def test_an_unsupported_node(network: Any) -> None:
    (gelu,) = (node for node in network.graph.node if node.op_type == "Gelu")
    gelu.op_type = "Sin"
    del gelu.attribute[:]
    _is_refused(network, r"'node_gelu' \(Sin\): cannot be lowered; operators that can: .*Gelu.*Relu")


def test_a_dynamic_shape(network: Any) -> None:
    network.graph.input[0].type.tensor_type.shape.dim[2].dim_param = "height"
    _is_refused(network, r"input 'image': dimension 2 is 'height', must be a positive number: export")


def test_scales_of_groups(network: Any) -> None:
    """One scale for eight inputs of a channel."""
    scale = next(node.input[1] for node in network.graph.node if node.input[0] == "slice_4")
    _set(network, scale, np.repeat(np.arange(1, 4 * 64 + 1).reshape(64, 4), 8, axis=1) / 4096)
    _is_refused(
        network, r"\(MatMul\): weight scales differ within an output channel.*: quantize .* not by group"
    )


@pytest.mark.parametrize("value", [0.0, -1.0, np.nan])
def test_a_scale_that_is_none(network: Any, value: float) -> None:
    _set(network, _quantizer(network, "layer_norm_1").input[1], np.array(value))
    _is_refused(network, r"\(Quant\): (scale .*, must be positive|.* not finite)")


def test_a_missing_scale(network: Any) -> None:
    _quantizer(network, "layer_norm_1").input[1] = ""
    _is_refused(network, r"\(Quant\): has no scale: export the network again")


def test_a_missing_quantizer(network: Any) -> None:
    _bypass(network, "layer_norm_1")
    _is_refused(
        network, r"reads 'layer_norm_1' of .* in float, expected int8: a quantizer is missing in between"
    )


def _is_refused(file: Any, message: str) -> None:
    from qonnx.core.modelwrapper import ModelWrapper

    from peritus.errors import PeritusError
    from peritus.finn.steps import step_peritus_convert

    with pytest.raises(PeritusError, match=message):
        step_peritus_convert(ModelWrapper(file), None)


def _quantizer(file: Any, tensor: str) -> Any:
    """The one behind a tensor."""
    return next(n for n in file.graph.node if n.op_type == "Quant" and n.input[0] == tensor)


def _bypass(file: Any, tensor: str) -> None:
    """Whoever reads the quantized tensor reads the tensor itself."""
    quantized = _quantizer(file, tensor).output[0]
    for node in file.graph.node:
        node.input[:] = [tensor if name == quantized else name for name in node.input]


def _set(file: Any, name: str, values: Any) -> None:
    from onnx import numpy_helper

    (tensor,) = (tensor for tensor in file.graph.initializer if tensor.name == name)
    tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float32), name))
