# SPDX-License-Identifier: Apache-2.0
"""Every activation from PyTorch through QONNX and the compiler to the simulator and the RTL."""

from dataclasses import replace
from typing import get_args

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="not installed: torch")

from peritus import ir  # noqa: E402
from peritus.arch.config import load_config  # noqa: E402
from peritus.compiler import compile_model  # noqa: E402
from peritus.frontends.activations import FUNCTIONS  # noqa: E402
from peritus.frontends.qonnx_ops import TABLES  # noqa: E402
from peritus.reference import ACTIVATIONS  # noqa: E402
from peritus.runtime import open_device  # noqa: E402
from quant_models.network import activation  # noqa: E402
from quant_models.network.config import M3VIT_MICRO, ActivationKind, ConfigError  # noqa: E402
from quant_models.network.init import procedural_images  # noqa: E402
from quant_models.network.model import M3ViT  # noqa: E402
from quant_models.quantization.quantize import quantize  # noqa: E402

pytestmark = pytest.mark.models

NANO = load_config("nano")
NAMES = sorted(set(ACTIVATIONS) - {"none"})


def test_every_side_knows_the_same_names() -> None:
    assert set(NAMES) == set(activation.ACTIVATIONS) == set(FUNCTIONS) == set(TABLES)
    assert set(NAMES) == set(get_args(ActivationKind))
    with pytest.raises(ConfigError, match="activation = 'tanh', must be one of gelu, relu"):
        replace(M3VIT_MICRO, activation="tanh")  # type: ignore[arg-type]


@pytest.mark.parametrize("name", NAMES)
def test_fixed_point_is_the_function(name: str) -> None:
    """Over all 16-bit inputs in Q.8, within one step."""
    x = np.arange(-32768, 32768)
    exact = activation.ACTIVATIONS[name](torch.from_numpy(x / 256)).numpy() * 256
    assert np.abs(ACTIVATIONS[name](x) - exact).max() < 1


@pytest.fixture(scope="module", params=NAMES)
def model(request: pytest.FixtureRequest) -> tuple[str, ir.QuantModel]:
    config = replace(M3VIT_MICRO, n_layers=2, activation=request.param)
    torch.manual_seed(1)
    net = M3ViT(config).eval()
    return request.param, quantize(net, procedural_images(config, 4, seed=1))


def test_the_graph_says_which(model: tuple[str, ir.QuantModel]) -> None:
    name, quantized = model
    graph = quantized.graph
    found = {node.function for node in graph.nodes if isinstance(node, ir.Linear)} - {"none"}
    assert found == {name}
    assert {node.function for node in graph.nodes if isinstance(node, ir.Experts)} == {name}


@pytest.mark.sim
def test_simulator_and_rtl_equal_the_graph(model: tuple[str, ir.QuantModel]) -> None:
    _, quantized = model
    bundle = compile_model(quantized, NANO)
    rng = np.random.default_rng(3)
    image = rng.integers(0, 256, (bundle.image_height, bundle.image_width, 3), np.uint8)
    with open_device("reference", NANO) as reference, open_device("rtl", NANO) as rtl:
        for device in (reference, rtl):
            device.load(bundle)
        for task in bundle.tasks:
            expected = ir.execute(quantized.graph, image, task.name)
            results = [device.run(image, task=task.name, features=True) for device in (reference, rtl)]
            for result in results:
                np.testing.assert_array_equal(result.outputs[task.name], expected.output)
                np.testing.assert_array_equal(result.raw_features, expected.features)
