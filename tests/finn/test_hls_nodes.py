# SPDX-License-Identifier: Apache-2.0
"""HLS back ends: the C++ that FINN would hand to Vitis, compiled by g++, gives the reference's integers."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.finn.one_node import CLOCK_NS, PART, model_of, the_node
from tests.finn.test_nodes import Case, cases, tensors

FUNCTIONS = [case for case in cases() if case.op in ("PeritusGelu", "PeritusRequant")]
FRAMES = 4  # of 2,500 tokens each


def in_cxx(case: Case) -> Any:
    """The node with the HLS back end, its C++ written."""
    from finn.transformation.fpgadataflow.prepare_cppsim import PrepareCppSim

    inputs, outputs = tensors(case)
    model = model_of(case.op, inputs, outputs, preferred_impl_style="hls", **case.attributes)
    assert the_node(model).onnx_node.op_type == f"{case.op}_hls"
    return model.transform(PrepareCppSim())


def compiled(model: Any) -> Any:
    from finn.transformation.fpgadataflow.compile_cppsim import CompileCppSim
    from finn.transformation.fpgadataflow.set_exec_mode import SetExecMode

    return model.transform(CompileCppSim()).transform(SetExecMode("cppsim"))


def differing(model: Any, case: Case) -> int:
    """Of all values of some frames."""
    from qonnx.core.onnx_exec import execute_onnx

    rng, node, wrong = np.random.default_rng(8), the_node(model), 0
    for _ in range(FRAMES):
        frame = case.feeds(rng)
        found = execute_onnx(model, {f"in{i}": values.astype(np.float32) for i, values in enumerate(frame)})
        (expected,) = node.compute(*frame)
        wrong += int(np.count_nonzero(found["out0"] != expected.reshape(found["out0"].shape)))
    return wrong


@pytest.mark.parametrize("case", FUNCTIONS, ids=lambda case: f"{case.op}-{case.attributes['PE']}")
def test_the_cxx_gives_the_reference_s_integers(finn: Path, case: Case) -> None:
    model = compiled(in_cxx(case))
    assert the_node(model).get_nodeattr("executable_path")
    assert differing(model, case) == 0


# Text of hls/finn/streams.hpp, what it becomes, and the case that must notice.
BUGS = {
    "gelu: ReLU instead": ("lane<IN>(x, n)), function)", "lane<IN>(x, n)), config::Function::RELU)", 0),
    "gelu: lanes reversed": ("set_lane<16>(y, n,", "set_lane<16>(y, LANES - 1 - n,", 1),
    "requant: no bias": (" + Int<BIASED_BITS>(bias[channel])", "", 2),
    "requant: first beat's parameters": ("set * CHANNELS + beat * LANES + n", "set * CHANNELS + n", 2),
    "requant: first set": ("set * CHANNELS + beat", "0 * set + beat", 4),
    "requant: no zero point": ("Int<OUT + 2>(ZERO_POINT)", "Int<OUT + 2>(0)", 3),
}


@pytest.mark.parametrize("name", BUGS)
def test_a_bug_is_found(finn: Path, name: str) -> None:
    old, new, number = BUGS[name]
    model = in_cxx(FUNCTIONS[number])
    header = Path(the_node(model).get_nodeattr("code_gen_dir_cppsim")) / "streams.hpp"
    assert old in header.read_text()
    header.write_text(header.read_text().replace(old, new))
    assert differing(compiled(model), FUNCTIONS[number]) > 0


def test_the_script_for_vitis_is_written(finn: Path) -> None:
    """FINN's own generation runs; Vitis HLS does not."""
    from finn.transformation.fpgadataflow.prepare_ip import PrepareIP

    inputs, outputs = tensors(FUNCTIONS[4])
    attributes = FUNCTIONS[4].attributes
    model = model_of("PeritusRequant", inputs, outputs, preferred_impl_style="hls", **attributes)
    node = the_node(model.transform(PrepareIP(PART, CLOCK_NS)))
    folder, name = Path(node.get_nodeattr("code_gen_dir_ipgen")), node.onnx_node.name
    top = (folder / f"top_{name}.cpp").read_text()
    assert f"void {name}(peritus::Stream<ap_uint<96>> &in0_V, peritus::Stream<ap_uint<16>> &in1_V" in top
    call = "requant<4, 24, 24, 32, -1000>(in0_V, in1_V, out0_V, 2500, BIAS, MULTIPLIER, SHIFT);"
    assert f"peritus::finn::{call}" in top
    assert (folder / f"hls_syn_{name}.tcl").is_file() and (folder / "streams.hpp").is_file()


def test_a_program_that_fails_is_named(finn: Path, tmp_path: Path) -> None:
    from peritus.finn.errors import NodeRunError

    model = compiled(in_cxx(FUNCTIONS[0]))
    program = Path(the_node(model).get_nodeattr("executable_path"))
    program.write_text("#!/bin/sh\nexit 3\n")
    with pytest.raises(NodeRunError, match=r"PeritusGelu_hls_0.* exit status 3"):
        differing(model, FUNCTIONS[0])
