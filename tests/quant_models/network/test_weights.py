# SPDX-License-Identifier: Apache-2.0
"""Files of float weights."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from safetensors import safe_open  # noqa: E402
from safetensors.torch import load_file, save_file  # noqa: E402

from quant_models.network.config import M3VIT_MICRO, M3VIT_TINY, ConfigError  # noqa: E402
from quant_models.network.init import new_model  # noqa: E402
from quant_models.network.model import M3ViT  # noqa: E402
from quant_models.network.weights import (  # noqa: E402
    WeightsError,
    load_weights,
    save_weights,
    weights_config,
    weights_provenance,
)

pytestmark = pytest.mark.models

CONFIG = replace(M3VIT_MICRO, n_layers=2, pixel_mean=(0.1, 0.2, 0.3))


@pytest.fixture(scope="module")
def net() -> M3ViT:
    return new_model(CONFIG)


def test_weights_round_trip(net: M3ViT, tmp_path: Path) -> None:
    save_weights(net, tmp_path / "a.safetensors", provenance="seed 0")
    again = load_weights(tmp_path / "a.safetensors", CONFIG)
    assert again.config == CONFIG == weights_config(tmp_path / "a.safetensors")
    assert not again.training
    assert weights_provenance(tmp_path / "a.safetensors") == "seed 0"
    for name, value in net.state_dict().items():
        assert torch.equal(again.state_dict()[name], value), name
    assert [path.name for path in tmp_path.iterdir()] == ["a.safetensors"]


def test_the_same_network_is_the_same_file(net: M3ViT, tmp_path: Path) -> None:
    for name in ("a", "b"):
        save_weights(net, tmp_path / name, provenance="seed 0")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    save_weights(load_weights(tmp_path / "a"), tmp_path / "c")
    assert (tmp_path / "c").read_bytes() == (tmp_path / "a").read_bytes()


@pytest.mark.parametrize(("every", "layers"), [(2, None), (0, ()), (1, (0, 1, 2, 3)), (3, (2,))])
def test_files_of_before_any_layer_could_have_experts(
    tmp_path: Path, every: int, layers: tuple[int, ...] | None
) -> None:
    """They say moe_every: the last block of each such group has experts."""
    config = replace(M3VIT_MICRO, moe_layers=layers)
    path = tmp_path / "a.safetensors"
    save_weights(M3ViT(config), path)
    with safe_open(str(path), framework="pt") as file:
        metadata = file.metadata()
    record = json.loads(metadata["config"])
    del record["moe_layers"]
    metadata["config"] = json.dumps({**record, "moe_every": every})
    save_file(load_file(path), path, metadata=metadata)
    assert weights_config(path) == config
    assert load_weights(path, config).config.expert_layers == config.expert_layers


def test_half_precision_halves_the_file(net: M3ViT, tmp_path: Path) -> None:
    save_weights(net, tmp_path / "a.safetensors")
    save_weights(net, tmp_path / "b.safetensors", half=True)
    sizes = [(tmp_path / name).stat().st_size for name in ("a.safetensors", "b.safetensors")]
    assert sizes[1] < 0.6 * sizes[0]
    again = load_weights(tmp_path / "b.safetensors").state_dict()
    for name, value in net.state_dict().items():
        assert again[name].dtype == torch.float32
        assert torch.equal(again[name], value.half().float()), name


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e6])
def test_values_that_are_not_finite_are_not_written(tmp_path: Path, value: float) -> None:
    net = M3ViT(CONFIG)
    with torch.no_grad():
        net.backbone.pos_embed[0, 3, 5] = value
    with pytest.raises(WeightsError, match=r"pos_embed hold values that are not finite torch.float16"):
        save_weights(net, tmp_path / "a.safetensors", half=True)
    assert not list(tmp_path.iterdir())


def test_wrong_files_are_named(net: M3ViT, tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    with pytest.raises(WeightsError, match=r"a\.safetensors does not exist"):
        load_weights(path)
    save_weights(net, path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-100])
    with pytest.raises(WeightsError, match=r"a\.safetensors is truncated or no safetensors file"):
        load_weights(path)
    path.write_bytes(whole)
    with pytest.raises(WeightsError, match=r"another architecture: .*n_layers = 2, expected 12"):
        load_weights(path, M3VIT_TINY)
    tensors = load_file(path)
    save_file(tensors, path)
    with pytest.raises(WeightsError, match=r"format is None, must be 'peritus-float-weights'"):
        load_weights(path)


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"version": "9"}, "has version '9', this program reads 1; make it again: peritus import"),
        ({"config": "{}"}, "unreadable configuration: name is missing"),
        ({"config": "["}, "unreadable configuration"),
    ],
)
def test_wrong_metadata_is_named(net: M3ViT, tmp_path: Path, metadata: dict[str, str], message: str) -> None:
    path = tmp_path / "a.safetensors"
    known = {"format": "peritus-float-weights", "version": "1"}
    save_file({"x": torch.zeros(1)}, path, metadata={**known, **metadata})
    with pytest.raises(WeightsError, match=message):
        load_weights(path)


def test_tensors_must_fit_the_configuration(net: M3ViT, tmp_path: Path) -> None:
    from safetensors import safe_open

    path = tmp_path / "a.safetensors"
    save_weights(net, path)
    with safe_open(str(path), "pt") as file:
        metadata = file.metadata()
    tensors = load_file(path)
    tensors["extra"] = tensors.pop("backbone.cls_token")
    tensors["backbone.pos_embed"] = torch.zeros(1, 3, 64)
    save_file(tensors, path, metadata=metadata)
    found = r"1 missing: backbone.cls_token; 1 unexpected: extra; 1 of another shape: backbone.pos_embed is"
    with pytest.raises(WeightsError, match=rf"{found} \(1, 3, 64\), expected \(1, 9, 64\)"):
        load_weights(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_layers": 65_535, "moe_layers": []}, r"tensors for 65535 blocks"),
        ({"d_model": 65_520, "head_dim": 32_760}, r"does not fit its own configuration: .*of another shape"),
        ({"n_experts": 65_535}, "does not fit its own configuration"),
        ({"image_height": 2**40}, "image_height = 1099511627776, must be an integer of 1..65535"),
        ({"n_layers": 2.0}, "n_layers = 2.0: must be a valid integer"),
        ({"name": None}, "name = None"),
        ({"layer_norm_eps": True}, "layer_norm_eps = True"),
        ({"moe_every": 10**30}, "moe_every and n_layers must be integers"),
    ],
)
def test_sizes_are_compared_before_they_are_allocated(
    net: M3ViT, tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    path = tmp_path / "a.safetensors"
    save_weights(net, path)
    with safe_open(str(path), "pt") as file:
        metadata = file.metadata()
    metadata["config"] = json.dumps({**json.loads(metadata["config"]), **changes})
    save_file(load_file(path), path, metadata=metadata)
    with pytest.raises(WeightsError, match=message):
        load_weights(path)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (torch.full((1, 9, 64), float("nan")), "pos_embed holds values that are not finite"),
        (torch.zeros((1, 9, 64), dtype=torch.bfloat16), "pos_embed' is BF16, must be one of F32, F16"),
        (torch.zeros((1, 9, 64), dtype=torch.int64), "pos_embed' is I64, must be one of F32, F16"),
    ],
)
def test_weights_are_finite_and_real(net: M3ViT, tmp_path: Path, values: torch.Tensor, message: str) -> None:
    path = tmp_path / "a.safetensors"
    save_weights(net, path)
    with safe_open(str(path), "pt") as file:
        metadata = file.metadata()
    save_file({**load_file(path), "backbone.pos_embed": values}, path, metadata=metadata)
    with pytest.raises(WeightsError, match=message):
        load_weights(path)


def test_a_task_of_a_name_that_pytorch_needs() -> None:
    task = replace(CONFIG.tasks[0], name="keys")
    with pytest.raises(ConfigError, match="keys has a name that PyTorch does not take"):
        M3ViT(replace(CONFIG, tasks=(task,)))
