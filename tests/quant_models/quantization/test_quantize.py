# SPDX-License-Identifier: Apache-2.0
"""`quantize` end to end, on random and on real weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from peritus.ir import QuantModel, execute  # noqa: E402
from quant_models.checkpoints import Hints, load_checkpoint  # noqa: E402
from quant_models.checkpoints.edge_moe import photo, transformed_copies  # noqa: E402
from quant_models.float_onnx.graph import OnnxError  # noqa: E402
from quant_models.network.config import M3VIT_MICRO, M3VIT_TINY, ConfigError  # noqa: E402
from quant_models.network.init import new_model, procedural_images  # noqa: E402
from quant_models.network.model import M3ViT  # noqa: E402
from quant_models.network.noise import snr_db  # noqa: E402
from quant_models.network.threads import torch_threads  # noqa: E402
from quant_models.quantization import fold  # noqa: E402
from quant_models.quantization.fidelity import compare  # noqa: E402
from quant_models.quantization.quantize import quantize, to_uint8  # noqa: E402
from quant_models.quantization.recipe import Recipe  # noqa: E402

pytestmark = pytest.mark.models


def feature_snr(net: M3ViT, model: QuantModel, image: Any, task: str) -> float:
    """SNR in dB of the integer model's residual stream against the float network's."""
    with torch.no_grad():
        expected = net.features(image, task)[0]
    found = execute(model.graph, to_uint8(image)[0], task).features * model.graph.residual_scale
    return snr_db(expected, torch.from_numpy(found))


@pytest.fixture(scope="module")
def micro() -> tuple[M3ViT, QuantModel]:
    net = new_model(M3VIT_MICRO)
    return net, quantize(net, to_uint8(procedural_images(M3VIT_MICRO, 4, seed=1)), "untrained, seed 0")


def test_quantized_network_follows_the_float_one(micro: tuple[M3ViT, QuantModel]) -> None:
    net, model = micro
    assert model.untrained
    for seed in range(3):
        for task in net.config.task_names:
            assert feature_snr(net, model, procedural_images(M3VIT_MICRO, 1, seed=100 + seed), task) > 20


def test_one_thread_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sums by another number of threads differ in their last bits, and a search by what they say."""
    net, threads = new_model(M3VIT_MICRO), set()
    handle = net.register_forward_hook(lambda *_: threads.add(torch.get_num_threads()))
    searched = fold.search_scales

    def search(*arguments: Any) -> Any:
        threads.add(torch.get_num_threads())
        return searched(*arguments)

    monkeypatch.setattr(fold, "search_scales", search)
    with torch_threads(3):
        quantize(net, procedural_images(M3VIT_MICRO, 2))
        assert torch.get_num_threads() == 3, "as it was"
    handle.remove()
    assert threads == {1}


def test_model_file_round_trip(micro: tuple[M3ViT, QuantModel], tmp_path: Path) -> None:
    _, model = micro
    file = tmp_path / "micro.safetensors"
    model.save(file)
    image = to_uint8(procedural_images(M3VIT_MICRO, 1, seed=7))[0]
    first, second = (execute(m.graph, image, "semseg") for m in (model, QuantModel.load(file)))
    assert np.array_equal(first.output, second.output)
    assert np.array_equal(first.features, second.features)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((1, 32, 64, 3), np.float32), "images are float32, expected uint8"),
        (np.zeros((0, 32, 64, 3), np.uint8), r"shape \(0, 3, 32, 64\)"),
        (np.zeros((1, 32, 32, 3), np.uint8), r"shape \(1, 3, 32, 32\), expected"),
        (torch.zeros(1, 1, 32, 64), r"shape \(1, 1, 32, 64\), expected"),
    ],
)
def test_wrong_calibration_images(images: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        quantize(new_model(M3VIT_MICRO), images)


def test_pixel_normalization_is_folded() -> None:
    """A network with mean and std is quantized like the same network without, weights adapted."""
    from dataclasses import replace

    config = replace(M3VIT_MICRO, n_layers=1, pixel_mean=(0.48, 0.45, 0.4), pixel_std=(0.23, 0.22, 0.25))
    net = new_model(config)
    model = quantize(net, procedural_images(config, 4, seed=1))
    assert feature_snr(net, model, procedural_images(config, 1, seed=9), "depth") > 30


@pytest.mark.parametrize(("gptq", "least"), [(False, 40.0), (True, 41.5)])
def test_real_weights_reach_40_db_after_layer_0(m3vit_data: Path, gptq: bool, least: float) -> None:
    """Calibrated on five transformed copies of the photo, tested on the photo itself."""
    net = load_checkpoint(m3vit_data, M3VIT_TINY, Hints(layers=1)).net
    image = photo(m3vit_data)
    model = quantize(net, transformed_copies(image), "trained embedding and layer 0", Recipe(gptq=gptq))
    snr = feature_snr(net, model, image, "semseg")
    print(f"SNR of the integer residual stream after layer 0, {'GPTQ' if gptq else 'nearest'}: {snr:.1f} dB")
    assert snr >= least


@pytest.mark.long
@pytest.mark.parametrize("gptq", [False, True], ids=["nearest", "gptq"])
def test_real_weights_after_all_layers(m3vit_data: Path, gptq: bool) -> None:
    """All twelve blocks, experts filled in as loud as the authors'; routes are free. `-s` prints it."""
    net = load_checkpoint(m3vit_data, M3VIT_TINY, fill_missing_experts=True).net
    image = photo(m3vit_data)
    model = quantize(net, transformed_copies(image), "trained, experts filled", Recipe(gptq=gptq))
    for task in net.config.task_names:
        layers, _ = compare(net, model, image, tasks=[task])
        for layer in layers:
            routing = ""
            if layer.routing is not None:
                routing = f", same experts {layer.choices:.1%}, all of a token's {layer.routing:.1%}"
            print(f"{task} after layer {layer.block}: {layer.snr_db:.1f} dB{routing}")
        assert layers[0].snr_db > 40 + 2 * gptq and layers[-1].snr_db > 25 + 4 * gptq
        assert min(layer.choices for layer in layers if layer.choices is not None) > 0.96


def test_other_networks_are_refused_with_the_road_that_works() -> None:
    other: Any = torch.nn.Linear(3, 3)
    with pytest.raises(OnnxError, match="Linear cannot be exported to ONNX: a and b must have same"):
        quantize(other, procedural_images(M3VIT_MICRO, 1), pixels="k256")
