# SPDX-License-Identifier: Apache-2.0
"""Models of one FINN node, specialized and simulated."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

PART = "xczu7ev-ffvc1156-2-e"  # a ZCU104's
CLOCK_NS = 5.0
Tensor = tuple[str, Sequence[int], str]  # name, shape, data type


def model_of(
    op: str,
    inputs: Sequence[Tensor],
    outputs: Sequence[Tensor],
    initializers: Mapping[str, tuple[npt.NDArray[Any], str]] | None = None,
    **attributes: Any,
) -> Any:
    """A ModelWrapper with the node `op`, specialized to its RTL back end."""
    from finn.transformation.fpgadataflow.specialize_layers import SpecializeLayers
    from onnx import TensorProto, helper
    from qonnx.core.datatype import DataType
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.transformation.general import GiveUniqueNodeNames

    weights = initializers or {}
    domain = "finn.custom_op.fpgadataflow"
    node = helper.make_node(
        op,
        [*(name for name, _, _ in inputs), *weights],
        [name for name, _, _ in outputs],
        domain=domain,
        backend="fpgadataflow",
        **attributes,
    )
    infos = [
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, list(shape)) for name, shape, _ in tensors]
        for tensors in (inputs, outputs)
    ]
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid(domain, 1)]
    model = ModelWrapper(
        helper.make_model(helper.make_graph([node], op, infos[0], infos[1]), opset_imports=opsets)
    )
    for name, _, kind in (*inputs, *outputs):
        model.set_tensor_datatype(name, DataType[kind])
    for name, (values, kind) in weights.items():
        model.set_initializer(name, values.astype(np.float32))
        model.set_tensor_datatype(name, DataType[kind])
    return model.transform(SpecializeLayers(PART)).transform(GiveUniqueNodeNames())


def built(model: Any) -> Any:
    """The model with code generated and its simulator built."""
    from finn.transformation.fpgadataflow.prepare_ip import PrepareIP
    from finn.transformation.fpgadataflow.prepare_rtlsim import PrepareRTLSim
    from finn.transformation.fpgadataflow.replace_verilog_relpaths import ReplaceVerilogRelPaths
    from finn.transformation.fpgadataflow.set_exec_mode import SetExecMode

    for step in (PrepareIP(PART, CLOCK_NS), ReplaceVerilogRelPaths(), SetExecMode("rtlsim"), PrepareRTLSim()):
        model = model.transform(step)
    return model


def simulate(model: Any, feeds: Mapping[str, npt.NDArray[Any]]) -> tuple[dict[str, npt.NDArray[Any]], Any]:
    """The outputs by FINN's rtlsim, and the node with its cycles."""
    from qonnx.core.onnx_exec import execute_onnx

    model = built(model)
    found: dict[str, npt.NDArray[Any]] = execute_onnx(
        model, {name: value.astype(np.float32) for name, value in feeds.items()}
    )
    return found, the_node(model)


def the_node(model: Any) -> Any:
    """FINN's object of the only node."""
    from qonnx.custom_op.registry import getCustomOp

    (node,) = model.graph.node
    return getCustomOp(node)


def check_cycles(node: Any, tolerance: float = 0.1) -> None:
    """Measured cycles are within `tolerance` of FINN's estimate."""
    measured, expected = node.get_nodeattr("cycles_rtlsim"), node.get_exp_cycles()
    print(f"{node.onnx_node.op_type}: {measured} cycles, estimate {expected}")
    assert abs(measured - expected) <= tolerance * expected, (measured, expected)
