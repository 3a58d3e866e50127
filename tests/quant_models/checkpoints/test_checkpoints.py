# SPDX-License-Identifier: Apache-2.0
"""Import of checkpoints in the forms that the public code writes, built from networks of ours."""

from __future__ import annotations

import json
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from safetensors.torch import save_file  # noqa: E402
from torch import Tensor  # noqa: E402

from quant_models.checkpoints import (  # noqa: E402
    ArchitectureError,
    CheckpointError,
    Hints,
    Imported,
    MissingTensorsError,
    load_checkpoint,
)
from quant_models.checkpoints.edge_moe import photo, read_file  # noqa: E402
from quant_models.checkpoints.infer import patch_grid  # noqa: E402
from quant_models.checkpoints.read import read_tensors  # noqa: E402
from quant_models.network.config import M3VIT_TINY, GateKind, M3ViTConfig, TaskConfig  # noqa: E402
from quant_models.network.model import M3ViT  # noqa: E402
from quant_models.network.weights import load_weights, save_weights  # noqa: E402
from tests.quant_models.checkpoints.states import (  # noqa: E402
    LAYERS,
    MINI,
    MINI_HINTS,
    NAMED,
    SMALL,
    TINY,
    network,
    public_state,
    training_file,
)

pytestmark = pytest.mark.models


def assert_same(imported: Imported, net: M3ViT) -> None:
    """Equal residual streams for every task."""
    image = torch.rand(
        (1, 3, net.config.image_height, net.config.image_width), generator=torch.Generator().manual_seed(1)
    )
    with torch.no_grad():
        for task in imported.net.config.task_names:
            assert torch.equal(imported.net.features(image, task), net.features(image, task)), task


@pytest.mark.parametrize("gate", ["multi_gate", "task_conditioned"])
@pytest.mark.parametrize("config", [TINY, SMALL], ids=["tiny", "small"])
def test_public_state_dict(tmp_path: Path, config: M3ViTConfig, gate: GateKind) -> None:
    config = replace(config, gate=gate, task_embedding_dim=24 if gate == "task_conditioned" else 64)
    net = network(config)
    imported = load_checkpoint(
        training_file(public_state(net), tmp_path / "net.pth.tar"),
        None,
        replace(LAYERS, heads=config.n_heads),
    )
    tasks = tuple(replace(task, classes=()) for task in config.tasks)
    assert imported.net.config == replace(config, name="net", tasks=tasks)
    assert_same(imported, net)
    assert set(imported.read) == {name for name in net.state_dict() if name.startswith("backbone.")}
    assert all(name.startswith("decoders.") for name in (*imported.missing, *imported.unexpected))
    assert len(imported.missing) == 2 * 4
    assert len(imported.unexpected) == 2 * 5
    assert not imported.filled


def test_named_network_and_bare_backbone(tmp_path: Path) -> None:
    """safetensors, no prefixes, no decoders: the tasks are the named network's, in the routers' order."""
    net = network(TINY)
    state = {
        name.removeprefix("backbone."): value
        for name, value in net.state_dict().items()
        if name.startswith("backbone.")
    }
    state["blocks.1.mlp.gate.0.w_gate_aux"] = torch.zeros(192, 4)  # of a training option
    save_file(state, tmp_path / "backbone.safetensors")
    imported = load_checkpoint(tmp_path / "backbone.safetensors", TINY, NAMED)
    assert imported.net.config == TINY
    assert_same(imported, net)
    assert imported.unexpected == ("backbone.blocks.1.mlp.gate.0.w_gate_aux",)
    with pytest.raises(ArchitectureError, match=r"no decoders of known tasks: give --config, or --tasks"):
        load_checkpoint(tmp_path / "backbone.safetensors", None, LAYERS)


def test_heads_of_ours_are_kept(tmp_path: Path) -> None:
    net = network(MINI)
    torch.save(net.state_dict(), tmp_path / "ours.pt")
    imported = load_checkpoint(tmp_path / "ours.pt", None, MINI_HINTS)
    assert not imported.missing
    assert not imported.unexpected
    for name, value in net.state_dict().items():
        assert torch.equal(imported.net.state_dict()[name], value), name


def test_experts_of_several_ranks_are_joined(tmp_path: Path) -> None:
    net = network(MINI)
    folder = tmp_path / "checkpoint.pth.tar"
    folder.mkdir()
    state = public_state(net)
    halves = [
        {name: value.chunk(2)[rank] if ".experts." in name else value for name, value in state.items()}
        for rank in range(2)
    ]
    training_file(halves[0], folder / "0.pth")
    training_file({k: v for k, v in halves[1].items() if ".experts." in k}, folder / "1.pth")
    assert_same(load_checkpoint(folder, None, MINI_HINTS), net)
    (folder / "1.pth").rename(folder / "2.pth")
    with pytest.raises(CheckpointError, match=r"1\.pth does not exist"):
        load_checkpoint(folder, None, MINI_HINTS)


def test_one_router_for_all_tasks_is_copied(tmp_path: Path) -> None:
    net = network(MINI)
    state = public_state(net)
    for layer in (1, 3):
        gate = f"module.backbone.blocks.{layer}.mlp.gate"
        state[f"{gate}.w_gate"] = state.pop(f"{gate}.0.w_gate")
        with torch.no_grad():
            net.backbone.layers[layer].mlp.gate[1].w_gate.copy_(state[f"{gate}.w_gate"])
        del state[f"{gate}.1.w_gate"]
    torch.save(state, tmp_path / "net.pth")
    imported = load_checkpoint(tmp_path / "net.pth", None, MINI_HINTS)
    assert_same(imported, net)
    assert any("copied" in note for note in imported.notes)


@pytest.mark.parametrize("gate", ["multi_gate", "task_conditioned"])
def test_tasks_without_a_kind_are_left_out(tmp_path: Path, gate: GateKind) -> None:
    names = ("semseg", "normals", "sal")
    tasks = tuple(TaskConfig(name, "segmentation", n) for name, n in zip(names, (19, 3, 2), strict=True))
    net = network(replace(MINI, tasks=tasks, gate=gate))
    torch.save(public_state(net, names), tmp_path / "net.pth")
    imported = load_checkpoint(tmp_path / "net.pth", None, MINI_HINTS)
    assert imported.net.config.task_names == ("semseg", "sal")
    assert_same(imported, net)
    assert "tasks normals were left out" in imported.notes
    with pytest.raises(
        ArchitectureError, match=r"routes 3 tasks \(semseg, normals, sal\), expected semseg, depth"
    ):
        load_checkpoint(tmp_path / "net.pth", replace(MINI, gate=gate))


def test_hints_tell_what_shapes_do_not(tmp_path: Path) -> None:
    net = network(SMALL)
    torch.save(public_state(net), tmp_path / "net.pth")
    hints = replace(LAYERS, heads=12, top_k=4, pixels="imagenet")
    config = load_checkpoint(tmp_path / "net.pth", None, hints).net.config
    assert (config.n_heads, config.head_dim, config.top_k) == (12, 32, 4)


def test_patch_grids() -> None:
    assert [patch_grid(n) for n in (128, 1200, 1024, 196)] == [(8, 16), (30, 40), (32, 32), (14, 14)]
    with pytest.raises(
        ArchitectureError, match="8 patches in an unknown grid: give --image, one of 1 x 8, 2 x 4"
    ):
        patch_grid(8)


# --- positions ---


def test_positions_of_another_grid(tmp_path: Path) -> None:
    net = network(TINY)
    with torch.no_grad():  # a ramp over the columns: bicubic interpolation keeps it away from the border
        net.backbone.pos_embed[0, 1:] = torch.arange(16.0).repeat(8)[:, None].expand(-1, 192)
    torch.save(public_state(net), tmp_path / "net.pth")
    wide = replace(TINY, image_width=512)
    with pytest.raises(
        ArchitectureError, match=r"128 patches, the network 256 \(8 x 32\): --resize-positions"
    ):
        load_checkpoint(tmp_path / "net.pth", wide)
    imported = load_checkpoint(tmp_path / "net.pth", wide, NAMED, resize_positions=True)
    assert "pos_embed was interpolated from 8 x 16 to 8 x 32" in imported.notes
    positions = imported.net.backbone.pos_embed[0]
    assert torch.equal(positions[0], net.backbone.pos_embed[0, 0])
    row = positions[1:, 5].view(8, 32)[3].tolist()
    assert row[4:-4] == pytest.approx([(column + 0.5) / 2 - 0.5 for column in range(4, 28)], abs=1e-5)


# --- other architectures, damaged files ---


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (
            {"conv1.weight": torch.zeros(1)},
            r"no M³ViT: backbone.patch_embed.proj.weight is missing; .* conv1.weight",
        ),
        ({"epoch": 3}, r"holds no tensors, only epoch"),
        ([1, 2], r"holds a list, expected named tensors"),
    ],
)
def test_other_networks(tmp_path: Path, state: Any, message: str) -> None:
    torch.save(state, tmp_path / "net.pth")
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(tmp_path / "net.pth")


def test_dense_vit_is_another_architecture(tmp_path: Path) -> None:
    torch.save(public_state(network(replace(MINI, moe_layers=()))), tmp_path / "net.pth")
    with pytest.raises(ArchitectureError, match=r"backbone.blocks.N.mlp.experts.htoh4.bias is missing"):
        load_checkpoint(tmp_path / "net.pth", None, MINI_HINTS)
    with pytest.raises(MissingTensorsError, match=r"layers 1, 3: mlp.experts.htoh4.weight"):
        load_checkpoint(tmp_path / "net.pth", MINI)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"d_model": 128, "n_heads": 2},
            r"another architecture: .*backbone.cls_token is \(1, 1, 64\), expected \(1, 1, 128",
        ),
        ({"n_layers": 2}, r"has 4 layers, expected 2: --layers 2 imports the first ones only"),
        ({"gate": "task_conditioned"}, r"gates are multi_gate, expected task_conditioned"),
        ({"n_experts": 8}, r"htoh4.weight is \(4, 32, 64\), expected \(8, 32, 64\)"),
        ({"n_layers": 6}, r"layers 4, 5: norm1.weight(.|\n)*--layers 4 imports the first 4 layers only"),
    ],
)
def test_expected_network_differs(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    torch.save(public_state(network(MINI)), tmp_path / "net.pth")
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(tmp_path / "net.pth", replace(MINI, **change))


class Evil:
    """Unpickling this writes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def test_code_in_a_checkpoint_is_not_run(tmp_path: Path) -> None:
    torch.save({"state_dict": {}, "args": Evil(tmp_path / "touched")}, tmp_path / "net.pth")
    with pytest.raises(
        CheckpointError, match=r"holds Python objects besides tensors.*save its state_dict alone"
    ):
        load_checkpoint(tmp_path / "net.pth")
    assert not (tmp_path / "touched").exists()


def test_an_archive_that_unpacks_to_more_than_it_is(tmp_path: Path) -> None:
    """A file of torch.save whose entries are compressed, or lie on each other, could fill any memory."""
    torch.save(public_state(network(MINI)), tmp_path / "net.pth")
    with zipfile.ZipFile(tmp_path / "net.pth") as archive:
        parts = {entry.filename: archive.read(entry) for entry in archive.infolist()}
    with zipfile.ZipFile(tmp_path / "bomb.pth", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in parts.items():
            archive.writestr(name, data + bytes(1 << 22))
    with pytest.raises(CheckpointError, match=r"its entry '.*' is compressed, which torch.save does not do"):
        read_tensors(tmp_path / "bomb.pth")
    data = bytearray((tmp_path / "net.pth").read_bytes())
    first = data.index(b"PK\x01\x02")  # the directory's first entry: its sizes, packed and not
    data[first + 20 : first + 28] = (0x7FFF_FFFF).to_bytes(4, "little") * 2
    (tmp_path / "lies.pth").write_bytes(data)
    with pytest.raises(CheckpointError, match=r"bytes, its entries claim \d{10}"):
        read_tensors(tmp_path / "lies.pth")


def test_damaged_files(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"net\.pth does not exist"):
        load_checkpoint(tmp_path / "net.pth")
    with pytest.raises(CheckpointError, match=r"has neither \*\.float32\.bin nor 0\.pth"):
        load_checkpoint(tmp_path)
    torch.save(public_state(network(MINI)), tmp_path / "net.pth")
    save_file({"a": torch.zeros(100)}, tmp_path / "net.safetensors")
    for name in ("net.pth", "net.safetensors"):
        content = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(content[: len(content) // 2])
        with pytest.raises(CheckpointError, match=rf"{name} is (truncated or )?damaged"):
            load_checkpoint(tmp_path / name)
    (tmp_path / "text.pth").write_text("weights")
    with pytest.raises(CheckpointError, match=r"text\.pth is (truncated or )?damaged"):
        load_checkpoint(tmp_path / "text.pth")


# --- Edge-MoE ---

EDGE = replace(MINI, tasks=MINI.tasks)
NAMES = {
    "norm1": "norm1",
    "norm2": "norm2",
    "attn.qkv": "qkv",
    "attn.proj": "attn_proj",
    "mlp.fc1": "fc1",
    "mlp.fc2": "fc2",
    "mlp.experts.htoh4": "htoh4",
    "mlp.experts.h4toh": "h4toh",
}


def edge_folder(net: M3ViT, folder: Path) -> Path:
    """Edge-MoE's layout, as its testbench reads it; class token added to the positions, gates transposed."""
    folder.mkdir()

    def write(name: str, value: Tensor) -> None:
        value.detach().contiguous().numpy().astype("<f4").tofile(folder / f"{name}.float32.bin")

    backbone = net.backbone
    write("image", torch.zeros(3, 32, 64))
    write("patch_embed_weight", backbone.patch_embed.proj.weight)
    write("patch_embed_bias", backbone.patch_embed.proj.bias)
    positions = backbone.pos_embed[0].clone()
    positions[0] += backbone.cls_token[0, 0]
    write("pos_embed", positions)
    for layer, block in enumerate(backbone.layers):
        for key, value in block.state_dict().items():
            module, _, kind = key.rpartition(".")
            if module in NAMES:
                write(f"l{layer}_{NAMES[module]}_{kind}", value)
            else:
                write(f"l{layer}_w_gate_T_task{module.rpartition('.')[2]}", value.T)
    return folder


def test_edge_moe_folder(tmp_path: Path) -> None:
    net = network(MINI)
    folder = edge_folder(net, tmp_path / "weights")
    for imported in (
        load_checkpoint(folder, MINI),
        load_checkpoint(folder, None, replace(MINI_HINTS, tasks=MINI.tasks)),
    ):
        assert replace(imported.net.config, name=MINI.name) == MINI
        assert_same(imported, net)
        assert imported.unexpected == ("image",)


def test_missing_experts_are_listed_and_filled_on_request(tmp_path: Path) -> None:
    net = network(MINI)
    folder = edge_folder(net, tmp_path / "weights")
    for layer in (1, 3):
        for name in ("htoh4", "h4toh"):
            (folder / f"l{layer}_{name}_weight.float32.bin").unlink()
    with pytest.raises(MissingTensorsError) as caught:
        load_checkpoint(folder, MINI)
    assert len(caught.value.missing) == 4
    assert "layers 1, 3: mlp.experts.htoh4.weight, mlp.experts.h4toh.weight" in str(caught.value)
    assert "--fill-missing-experts" in str(caught.value)
    imported = load_checkpoint(folder, MINI, fill_missing_experts=True)
    assert set(imported.filled) == set(caught.value.missing)
    state = imported.net.state_dict()
    # Two experts of 32 units share the 64 of the dense layer before; biases are the file's.
    for layer in (1, 3):
        dense = net.state_dict()[f"backbone.blocks.{layer - 1}.mlp.fc1.weight"]
        experts = state[f"backbone.blocks.{layer}.mlp.experts.htoh4.weight"]
        for pair in experts.view(2, 64, 64):
            assert torch.equal(pair.sort(dim=0).values, dense.sort(dim=0).values)
        key = f"backbone.blocks.{layer}.mlp.experts.htoh4.bias"
        assert torch.equal(state[key], net.state_dict()[key])
    again = load_checkpoint(folder, MINI, fill_missing_experts=True).net.state_dict()
    assert all(torch.equal(again[name], value) for name, value in state.items())


def test_filling_makes_no_layers(tmp_path: Path) -> None:
    folder = edge_folder(network(MINI), tmp_path / "weights")
    for path in (*folder.glob("l2_*"), *folder.glob("l3_*"), *folder.glob("l1_h*_weight*")):
        path.unlink()
    with pytest.raises(MissingTensorsError, match=r"layers 2, 3: norm1.weight(.|\n)*--layers 2") as caught:
        load_checkpoint(folder, MINI, fill_missing_experts=True)
    assert not any("blocks.1." in name for name in caught.value.missing)
    imported = load_checkpoint(folder, MINI, Hints(layers=2), fill_missing_experts=True)
    assert imported.net.config.n_layers == 2


def test_half_an_expert_is_not_filled(tmp_path: Path) -> None:
    """Trained first matrices do not go with second ones of other hidden units."""
    folder = edge_folder(network(MINI), tmp_path / "weights")
    (folder / "l1_h4toh_weight.float32.bin").unlink()
    with pytest.raises(MissingTensorsError, match=r"layer 1: mlp.experts.h4toh.weight"):
        load_checkpoint(folder, MINI, fill_missing_experts=True)


@pytest.mark.parametrize("gate", ["multi_gate", "task_conditioned"])
def test_filled_experts_add_up_to_the_dense_layer(tmp_path: Path, gate: GateKind) -> None:
    """Exact where every token meets both halves with equal scores."""
    net = network(replace(MINI, n_layers=2, n_experts=2, gate=gate))
    state = {name: v for name, v in public_state(net).items() if ".experts." not in name}
    state = {name: value * (not name.endswith("w_gate")) for name, value in state.items()}
    torch.save(state, tmp_path / "net.pth")
    imported = load_checkpoint(tmp_path / "net.pth", net.config, NAMED, fill_missing_experts=True)
    backbone = imported.net.backbone
    x = torch.randn(1, 9, 64, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        mixed = backbone.layers[1].mlp(x, 0, backbone.task_embedding(0))
        assert torch.allclose(mixed, backbone.layers[0].mlp(x), atol=1e-6)


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("l0_qkv_weight", 7, r"l0_qkv_weight.float32.bin holds 7 values, expected \(192, 64\)"),
        ("patch_embed_weight", 100, r"patch_embed_weight.float32.bin holds 100 values"),
        ("l1_htoh4_bias", 13, r"holds 13 values, expected \(4, -1\)"),
    ],
)
def test_edge_moe_files_of_a_wrong_size(tmp_path: Path, name: str, values: int, message: str) -> None:
    folder = edge_folder(network(MINI), tmp_path / "weights")
    np.zeros(values, "<f4").tofile(folder / f"{name}.float32.bin")
    with pytest.raises(ArchitectureError, match=message):
        load_checkpoint(folder, MINI)
    (folder / f"{name}.float32.bin").write_bytes(b"123")
    with pytest.raises(CheckpointError, match="has 3 bytes, expected a multiple of 4"):
        load_checkpoint(folder, MINI)


def test_released_weights(m3vit_data: Path) -> None:
    """All that is public of the release: twelve layers without their expert matrices."""
    with pytest.raises(MissingTensorsError, match=r"layers 1, 3, 5, 7, 9, 11: mlp.experts.htoh4.weight"):
        load_checkpoint(m3vit_data, M3VIT_TINY)
    with pytest.raises(MissingTensorsError, match="lacks 2 tensors"):
        load_checkpoint(m3vit_data, M3VIT_TINY, Hints(layers=2))
    imported = load_checkpoint(m3vit_data, M3VIT_TINY, Hints(layers=2), fill_missing_experts=True)
    assert len(imported.filled) == 2
    assert "image" in imported.unexpected


def test_filled_experts_are_as_loud_as_the_authors(m3vit_data: Path) -> None:
    """Their own residual stream after the last layer ships with the weights."""
    if not (m3vit_data / "l11_x_post_moe.float32.bin").is_file():
        pytest.skip(f"{m3vit_data} has no l11_x_post_moe, the authors' own output")
    imported = load_checkpoint(m3vit_data, M3VIT_TINY, fill_missing_experts=True)
    reference = read_file(m3vit_data, "l11_x_post_moe")
    with torch.no_grad():
        features = imported.net.features(photo(m3vit_data), "semseg")
    loudness = features.square().mean().sqrt() / reference.square().mean().sqrt()
    assert loudness.item() == pytest.approx(1.0, abs=0.01)
    assert any("filled experts scaled by" in note for note in imported.notes)
    print(imported.notes)


# --- the command ---


SAID_OPTIONS = ("--heads", "1", "--top-k", "2", "--pixels", "k256")


def run(*arguments: str | Path) -> tuple[int, str]:
    from typer.testing import CliRunner

    from peritus.cli import app

    result = CliRunner().invoke(app, ["import", *map(str, arguments)], env={"COLUMNS": "200"})
    return result.exit_code, result.output


def test_import_command(tmp_path: Path) -> None:
    net = network(MINI)
    folder = edge_folder(net, tmp_path / "weights")
    (folder / "l1_htoh4_weight.float32.bin").unlink()
    (folder / "l1_h4toh_weight.float32.bin").unlink()
    options = (*SAID_OPTIONS, "--layers", "4", "--image", "32x64")
    options = (*options, "--tasks", "semseg:segmentation:19,depth:depth:1")
    output = tmp_path / "out" / "net.safetensors"
    status, text = run(folder, "-o", output, *options)
    assert status == 1
    assert "lacks 2 tensors" in text
    assert not output.exists()
    status, text = run(
        folder, "-o", output, *options, "--fill-missing-experts", "--json", tmp_path / "r.json"
    )
    assert status == 0, text
    assert "layer 1: mlp.experts.htoh4.weight, mlp.experts.h4toh.weight" in text
    record = json.loads((tmp_path / "r.json").read_text())
    assert len(record["filled"]) == 2
    tasks = tuple(replace(task, classes=()) for task in MINI.tasks)
    again = load_weights(output, replace(MINI, tasks=tasks))
    assert torch.equal(again.backbone.layers[2].attn.qkv.weight, net.backbone.layers[2].attn.qkv.weight)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--image", "32"), "--image '32', expected HEIGHTxWIDTH"),
        (
            ("--tasks", "semseg:19"),
            "--tasks 'semseg:19', expected NAME:KIND:CHANNELS, KIND segmentation, depth",
        ),
        (
            ("--config", "m3vit_micro", "--heads", "2", "--top-k", "2"),
            "--config m3vit_micro says it already: leave out --heads, --top-k",
        ),
        (("--pixels", "k/256"), "--pixels 'k/256', expected one of k256, k255, half, imagenet"),
        (("--layers", "4", "--image", "32x64"), "no tensor says how many attention heads there are (d = 64;"),
        (("--config", "m3vit_huge"), "unknown model 'm3vit_huge'; known: m3vit_tiny"),
        (
            (*SAID_OPTIONS, "--layers", "4", "--image", "33x64"),
            "image_height = 33 is not a multiple of patch_size = 16",
        ),
    ],
)
def test_wrong_options(tmp_path: Path, options: tuple[str, ...], message: str) -> None:
    torch.save(public_state(network(MINI)), tmp_path / "net.pth")
    status, text = run(tmp_path / "net.pth", "-o", tmp_path / "out.safetensors", *options)
    assert status == 1
    assert message in text


def test_imported_weights_are_ordinary_weights(tmp_path: Path) -> None:
    """What import writes, `load_checkpoint` reads as well: our names are the public ones."""
    net = network(MINI)
    save_weights(net, tmp_path / "net.safetensors")
    assert not load_checkpoint(tmp_path / "net.safetensors", MINI).missing


def test_a_file_of_ours_keeps_its_provenance(tmp_path: Path) -> None:
    """Reading it as a checkpoint does not make random weights trained."""
    save_weights(network(MINI), tmp_path / "net.safetensors", provenance="untrained, seed 7")
    assert load_checkpoint(tmp_path / "net.safetensors", MINI).net.provenance == "untrained, seed 7"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\x80\x02.", "truncated or damaged"),  # torch's unpickler: IndexError, as of the next three
        (b"\x80\x02s.", "truncated or damaged"),
        (b"\x80\x02h\x07.", "truncated or damaged"),
        (b"\x80\x02(u.", "truncated or damaged"),
        (b"\x80\x02X\x01", "truncated or damaged"),  # struct.error
        (b"", "truncated or damaged"),
    ],
)
def test_what_the_unpickler_trips_over_is_damage(content: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / "net.pth").write_bytes(content)
    with pytest.raises(CheckpointError, match=said):
        read_tensors(tmp_path / "net.pth")


@pytest.mark.parametrize(
    ("content", "said"), [({3: torch.ones(2)}, "names a tensor 3, expected a text"), ({}, "holds no tensors")]
)
def test_names_that_are_none(content: dict[object, Tensor], said: str, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "net.pth")
    with pytest.raises(CheckpointError, match=said):
        read_tensors(tmp_path / "net.pth")
