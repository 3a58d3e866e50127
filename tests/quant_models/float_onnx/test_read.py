# SPDX-License-Identifier: Apache-2.0
"""Float ONNX files of plain vision transformers: the same network, however it is written; or refused by a
node."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="reading float ONNX needs the extra 'models'")

import onnx  # noqa: E402
from onnx import ModelProto, helper, numpy_helper  # noqa: E402
from torch import Tensor, nn  # noqa: E402

import peritus  # noqa: E402
from peritus.ir import execute, real_map  # noqa: E402
from quant_models.checkpoints import Hints, Imported  # noqa: E402
from quant_models.float_onnx import read_float_onnx  # noqa: E402
from quant_models.float_onnx.graph import OnnxError, as_graph  # noqa: E402
from quant_models.float_onnx.read import read_graph  # noqa: E402
from quant_models.network.config import ConfigError, TaskConfig  # noqa: E402
from quant_models.network.init import procedural_images  # noqa: E402
from quant_models.network.noise import snr_db  # noqa: E402
from quant_models.network.weights import load_weights, save_weights  # noqa: E402
from quant_models.quantization.quantize import quantize, to_uint8  # noqa: E402
from quant_models.quantization.recipe import Recipe  # noqa: E402
from tests.quant_models.plain_vits import CLASSES, SIDE, D, exported, normalized, vit  # noqa: E402

pytestmark = pytest.mark.models

IMAGENET = Hints(pixels="imagenet")
EXPORTERS = ("torchscript 14", "torchscript 17", "dynamo 18", "dynamo 20")


def read(model: ModelProto, hints: Hints = IMAGENET) -> Imported:
    return read_graph(as_graph(model, hints.image), "net.onnx", hints)


def agrees(found: Imported, net: nn.Module) -> None:
    """The same outputs on other pictures than the reader's own."""
    (task,) = found.net.config.tasks
    images = procedural_images(found.net.config, 2, seed=7)
    with torch.no_grad():
        expected: Tensor = net(normalized(images) if images.shape[1] == 3 else images * 256 / 255)
        result = found.net(images, task.name)
    if task.kind == "embedding":
        expected = expected.movedim(-1, 1)
    torch.testing.assert_close(result.reshape(expected.shape), expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("exporter", EXPORTERS)
def test_every_exporter(exporter: str) -> None:
    net = vit(scale=True)
    found = read(exported(net, exporter))
    (task,) = found.net.config.tasks
    assert (task.name, task.kind, task.channels, task.host) == ("out", "classification", CLASSES, None)
    assert found.net.tail is None
    agrees(found, net)


@pytest.mark.parametrize(
    ("options", "prefix", "kind", "on_host"),
    [
        ({"qkv_bias": False}, 1, "classification", False),
        ({"attention": "before"}, 1, "classification", False),
        ({"attention": "behind"}, 1, "classification", False),
        ({"relu": True}, 1, "classification", False),
        ({"patch": 14}, 1, "classification", False),
        ({"head": "none"}, 1, "embedding", True),
        ({"head": "mean"}, 1, "classification", True),
        ({"head": "mean_norm", "prefix": ()}, 0, "classification", True),
        ({"head": "dinov2"}, 1, "classification", True),
        ({"head": "distilled", "prefix": ("cls_token", "dist_token")}, 2, "classification", True),
        ({"prefix": ("cls_token", "reg_token"), "placed": 1}, 5, "classification", False),
        ({"prefix": ("cls_token", "reg_token"), "placed": 0}, 5, "classification", False),
        ({"channels": 1}, 1, "classification", False),
    ],
)
def test_every_structure(options: dict[str, Any], prefix: int, kind: str, on_host: bool) -> None:
    net = vit(**options)
    grey = options.get("channels") == 1
    model = exported(net, shape=(1 if grey else 3, net.side, net.side))
    found = read(model, Hints(pixels="k255") if grey else IMAGENET)
    (task,) = found.net.config.tasks
    assert (found.net.config.prefix_tokens, task.kind) == (prefix, kind)
    assert (task.host is not None) == on_host == (found.net.tail is not None)
    assert any("stay on the host" in note for note in found.notes) == on_host
    agrees(found, net)


class _Decoder(nn.Module):
    """A network behind which a decoder makes a map, as saliency and depth networks have it; scale in the
    graph."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.vit = vit(head="none")
        self.up = nn.ConvTranspose2d(D, 8, 4, stride=4)
        self.last = nn.Conv2d(8, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        mean, deviation = (
            torch.tensor([0.4, 0.5, 0.6]).view(3, 1, 1),
            torch.tensor([0.2, 0.3, 0.4]).view(3, 1, 1),
        )
        tokens = self.vit((x - mean) / deviation)[:, 1:]
        grid = tokens.transpose(1, 2).reshape(len(x), D, SIDE // 16, SIDE // 16)
        out: Tensor = self.last(torch.relu(self.up(grid)))
        return out


@pytest.mark.parametrize(("channels", "kind"), [(1, "depth"), (4, "segmentation")])
def test_a_decoder_stays_on_the_host(channels: int, kind: str, tmp_path: Path) -> None:
    """Down to the RTL, through both files: features bit for bit, the map of them by ONNX Runtime."""
    torch.manual_seed(3)
    net = _Decoder(channels).eval()
    found = read(exported(net), Hints(pixels="k255"))
    (task,) = found.net.config.tasks
    assert (task.kind, task.host, task.channels) == (kind, (12, 12), channels)
    images = procedural_images(found.net.config, 16, seed=5)
    with torch.no_grad():
        expected = net(images[:1] * 256 / 255)
        torch.testing.assert_close(found.net(images[:1], task.name), expected, rtol=1e-3, atol=1e-3)
    save_weights(found.net, tmp_path / "net.float.safetensors")
    again = load_weights(tmp_path / "net.float.safetensors")
    assert again.tail == found.net.tail
    quantize(again, images).save(tmp_path / "net.safetensors")
    model = peritus.load_model(tmp_path / "net.safetensors")
    bundle = peritus.compile(model, hw="nano")
    bundle.save(tmp_path / "net.bundle")
    photo = to_uint8(images)[0]
    with peritus.open_device("rtl", hw="nano") as device:
        device.load(peritus.bundle.Bundle.load(tmp_path / "net.bundle"))
        result = device.run(photo, task=task.name)
    assert np.array_equal(result.raw_features, execute(model.graph, photo, task.name).features)
    assert result.dequantized().shape == (12, 12, channels)
    error = torch.from_numpy(result.dequantized()).permute(2, 0, 1) - expected[0]
    assert float(error.square().mean()) < 0.01 * float(expected.var())


def test_outputs_by_name() -> None:
    task = TaskConfig("out", "embedding", CLASSES, host=(1, 1))
    found = read(exported(vit(head="mean")), Hints(pixels="imagenet", tasks=(task,)))
    assert found.net.config.tasks[0].kind == "embedding"
    other = TaskConfig("other", "embedding", CLASSES, host=(1, 1))
    with pytest.raises(OnnxError, match=r"has the outputs \['out'\], not other"):
        read(exported(vit()), Hints(pixels="imagenet", tasks=(other,)))
    with pytest.raises(OnnxError, match="output 'out' has 10 channels, --tasks says 11"):
        read(exported(vit()), Hints(pixels="imagenet", tasks=(TaskConfig("out", "classification", 11),)))


def test_pixels_are_asked_for() -> None:
    with pytest.raises(OnnxError, match=r"net\.onnx does not say how pixels .* give --pixels, one of k256"):
        read(exported(vit()), Hints())


def test_what_the_file_says_is_not_taken_from_options() -> None:
    with pytest.raises(OnnxError, match="says it already: leave out --heads"):
        read(exported(vit()), Hints(pixels="imagenet", heads=2))


def _with_function(function: Any) -> nn.Module:
    """A network whose activation is another one."""
    net = vit()

    def forward(self: Any, x: Tensor) -> Tensor:
        b, n, _ = x.shape
        qkv = self.attn["qkv"](self.norm1(x)).reshape(b, n, 3, 2, D // 2).permute(2, 0, 3, 1, 4)
        x = x + self.attn["proj"](self.mix(*qkv.unbind(0)).transpose(1, 2).reshape(b, n, D))
        out: Tensor = x + self.mlp["fc2"](function(self.mlp["fc1"](self.norm2(x))))
        return out

    for block in net.blocks:
        block.forward = forward.__get__(block)  # type: ignore[method-assign]
    return net


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (nn.functional.silu, r"Sigmoid\): the operator is no part"),
        (
            lambda x: nn.functional.gelu(x, approximate="tanh"),
            r"Pow\): a power of 3|Tanh|Mul\): expected a factor",
        ),
        (lambda x: x * torch.sigmoid(1.702 * x), r"Sigmoid\): the operator is no part"),
    ],
)
def test_other_activations_are_refused_by_node(function: Any, reason: str) -> None:
    with pytest.raises(OnnxError, match=rf"no block of a vision transformer was found.*{reason}"):
        read(exported(_with_function(function)))


def test_a_block_that_is_not_understood_does_not_go_to_the_host() -> None:
    """The last block has another activation: its attention may not run on the host unsaid."""
    net = vit()
    odd = _with_function(nn.functional.silu)
    net.blocks[1] = odd.blocks[1]
    with pytest.raises(
        OnnxError, match=r"attention behind the last block that was understood|a layer is missing"
    ):
        read(exported(net))


def test_an_output_of_an_earlier_layer_is_refused() -> None:
    class Early(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.vit = vit(head="none")

        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            return self.vit(x), self.vit.patch_embed["proj"](x)

    model = exported(Early())
    with pytest.raises(OnnxError, match="which is not behind the last block"):
        read(model)


def _changed(model: ModelProto, name: str, value: float) -> ModelProto:
    for tensor in model.graph.initializer:
        if tensor.name == name:
            values = np.array(numpy_helper.to_array(tensor))
            values.reshape(-1)[3] = value
            tensor.CopyFrom(numpy_helper.from_array(values, name))
    return model


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_constants_that_are_not_finite_are_named(value: float) -> None:
    model = exported(vit())
    name = next(t.name for t in model.graph.initializer if "bias" in t.name)
    with pytest.raises(OnnxError, match=f"its constant '{name}' holds values that are not finite"):
        read(_changed(model, name, value))


def test_files_that_are_not_read(tmp_path: Path) -> None:
    model = exported(vit())
    two = ModelProto.FromString(model.SerializeToString())
    two.graph.input.append(helper.make_tensor_value_info("mask", onnx.TensorProto.FLOAT, [1]))
    with pytest.raises(OnnxError, match=r"inputs \['image', 'mask'\], expected one image"):
        read(two)
    batch = ModelProto.FromString(model.SerializeToString())
    batch.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 8
    with pytest.raises(OnnxError, match="is a batch of 8"):
        read(batch)
    size = ModelProto.FromString(model.SerializeToString())
    size.graph.input[0].type.tensor_type.shape.dim[2].dim_param = "height"
    with pytest.raises(OnnxError, match="leaves the image's size open: give --image"):
        read(size)
    assert read(size, Hints(pixels="imagenet", image=(SIDE, SIDE))).net.config.image_height == SIDE
    quantized = ModelProto.FromString(model.SerializeToString())
    quantized.graph.node[0].op_type = "QuantizeLinear"
    with pytest.raises(
        (OnnxError, peritus.errors.PeritusError), match=r"quantized for ONNX Runtime|no valid ONNX"
    ):
        read(quantized)
    fused = ModelProto.FromString(model.SerializeToString())
    fused.graph.node[-1].domain = "com.microsoft"
    fused.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    with pytest.raises(OnnxError, match=r"domain 'com\.microsoft', expected standard operators"):
        read(fused)
    (tmp_path / "cut.onnx").write_bytes(model.SerializeToString()[:1000])
    with pytest.raises(peritus.errors.PeritusError, match=r"cut\.onnx is truncated or no ONNX|no valid ONNX"):
        read_float_onnx(tmp_path / "cut.onnx", IMAGENET)
    with pytest.raises(peritus.errors.PeritusError, match="does not exist"):
        read_float_onnx(tmp_path / "none.onnx", IMAGENET)


def test_a_module(tmp_path: Path) -> None:
    """Quantized as it is: written by somebody else, with a head of two tokens."""
    net = vit(prefix=("cls_token", "dist_token"), head="distilled", attention="before")
    images = torch.rand(4, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(4))
    model = quantize(net, images, recipe=Recipe(scales="tensor"), pixels="imagenet")
    (task,) = model.graph.tasks
    assert model.tail is not None
    found = real_map(
        model.graph, task.name, execute(model.graph, to_uint8(images)[0], task.name), model.tail.open()
    )
    with torch.no_grad():
        expected = net(normalized(images[:1]))[0]
    assert snr_db(expected, torch.from_numpy(found[0, 0])) > 20
    with pytest.raises(OnnxError, match="does not say how pixels"):
        quantize(net, images)
    with pytest.raises(OnnxError, match="no block of a vision transformer was found"):
        quantize(nn.Linear(SIDE, SIDE), images, pixels="imagenet")
    with pytest.raises(ConfigError, match=r"images have shape \(3, 48, 48\)"):
        quantize(net, images[0], pixels="imagenet")
