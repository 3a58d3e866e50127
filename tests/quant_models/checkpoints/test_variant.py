# SPDX-License-Identifier: Apache-2.0
"""What the tensors of a checkpoint leave open is asked for, and refused where the network is another one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="importing checkpoints needs the extra 'models'")

from quant_models.checkpoints import ArchitectureError, CheckpointError, Hints, load_checkpoint  # noqa: E402
from quant_models.checkpoints.variant import read_yaml  # noqa: E402
from quant_models.network.config import M3ViTConfig, TaskConfig  # noqa: E402
from tests.quant_models.checkpoints.states import (  # noqa: E402
    MINI,
    MINI_HINTS,
    NAMED,
    network,
    public_state,
)

pytestmark = pytest.mark.models

NOT_SAID = [
    ({"heads": None}, r"how many attention heads there are \(d = 64.*give --heads, or .* --yaml"),
    ({"top_k": None}, r"how many experts a token takes.*give --top-k, or .* --yaml"),
    ({"pixels": None}, r"what pixels the network was trained on: give --pixels \(k256: k/256; k255"),
    (
        {"options": None},
        r"trained with gate_input_ahead, regu_experts_fromtask, expert_prune.*--options plain",
    ),
]


@pytest.mark.parametrize(("left_out", "message"), NOT_SAID, ids=[next(iter(row[0])) for row in NOT_SAID])
def test_what_tensors_leave_open_is_asked_for(
    tmp_path: Path, left_out: dict[str, None], message: str
) -> None:
    torch.save(public_state(network(MINI)), tmp_path / "net.pth")
    with pytest.raises(ArchitectureError, match=message):
        load_checkpoint(tmp_path / "net.pth", None, replace(MINI_HINTS, **left_out))


@pytest.mark.parametrize("option", ["gate_input_ahead", "regu_experts_fromtask", "expert_prune"])
@pytest.mark.parametrize("config", [None, MINI], ids=["auto", "named"])
def test_training_options_that_change_routers_are_refused(
    tmp_path: Path, option: str, config: M3ViTConfig | None
) -> None:
    torch.save(public_state(network(MINI)), tmp_path / "net.pth")
    hints = replace(MINI_HINTS if config is None else Hints(), options=(option,))
    with pytest.raises(ArchitectureError, match=rf"trained with {option}, which is not supported"):
        load_checkpoint(tmp_path / "net.pth", config, hints)


def test_noisy_gates_are_refused(tmp_path: Path) -> None:
    """Their scores are renormalized over the chosen experts."""
    state = public_state(network(MINI))
    state["module.backbone.blocks.1.mlp.gate.0.w_noise"] = torch.zeros(64, 4)
    torch.save(state, tmp_path / "net.pth")
    for config, hints in ((None, MINI_HINTS), (MINI, NAMED)):
        with pytest.raises(ArchitectureError, match=r"gate\.0\.w_noise: the gates are of type 'noisy'"):
            load_checkpoint(tmp_path / "net.pth", config, hints)


@pytest.mark.parametrize(("pixels", "theirs"), [("k256", 200 / 256), ("k255", 200 / 255), ("imagenet", None)])
@pytest.mark.parametrize("named", [False, True])
def test_pixels_are_what_they_are_called(
    tmp_path: Path, pixels: Any, theirs: float | None, named: bool
) -> None:
    """A pixel of 200, as the network was trained on it; with a named configuration the option counts as
    well."""
    torch.save(public_state(network(MINI)), tmp_path / "net.pth")
    hints = replace(NAMED, pixels=pixels) if named else replace(MINI_HINTS, pixels=pixels)
    config = load_checkpoint(tmp_path / "net.pth", MINI if named else None, hints).net.config
    expected = (200 / 255 - 0.485) / 0.229 if theirs is None else theirs
    assert (200 / 256 - config.pixel_mean[0]) / config.pixel_std[0] == pytest.approx(expected)


def test_one_channel_has_no_classes(tmp_path: Path) -> None:
    """A saliency map of one channel is regressed: its argmax would be 0 everywhere."""
    tasks = (TaskConfig("semseg", "segmentation", 19), TaskConfig("sal", "depth", 1))
    net = network(replace(MINI, tasks=tasks))
    state = public_state(net, ("semseg", "sal"))
    state["module.decoders.sal.conv_4.weight"] = torch.zeros(1, 8, 1, 1)
    torch.save(state, tmp_path / "net.pth")
    imported = load_checkpoint(tmp_path / "net.pth", None, MINI_HINTS)
    assert imported.net.config.tasks == tasks
    assert any("sal imported as a regressed map" in note for note in imported.notes)


def test_yaml_of_the_public_code(tmp_path: Path) -> None:
    """It says heads, top-k and image, and by its data set the pixels; what is said besides wins."""
    text = """
train_db_name: NYUD
backbone_kwargs:
   img_size: [32,64]
   num_heads: 4
   qkv_bias: True,
   moe_top_k: 4
"""
    (tmp_path / "net.yml").write_text(text)
    hints = read_yaml(tmp_path / "net.yml", Hints())
    assert (hints.image, hints.heads, hints.top_k, hints.pixels) == ((32, 64), 4, 4, "imagenet")
    assert read_yaml(tmp_path / "net.yml", Hints(top_k=2, pixels="k255")).top_k == 2
    (tmp_path / "net.yml").write_text(text.replace("num_heads: 4", "num_heads: many"))
    with pytest.raises(CheckpointError, match=r"num_heads = 'many', must be an integer of at least 1"):
        read_yaml(tmp_path / "net.yml", Hints())
    (tmp_path / "net.yml").write_text("model: baseline")
    with pytest.raises(CheckpointError, match=r"has no backbone_kwargs"):
        read_yaml(tmp_path / "net.yml", Hints())
    for bad in ("day: 2026-02-30", "[" * 5000, "a: [b", "\x00"):
        (tmp_path / "net.yml").write_text(bad)
        with pytest.raises(CheckpointError, match=r"net\.yml cannot be read: "):
            read_yaml(tmp_path / "net.yml", Hints())
    (tmp_path / "net.yml").write_text("a: &a 1\nb: [" + "*a," * 30_000 + "]")
    with pytest.raises(CheckpointError, match="a file of more than 65536 bytes"):
        read_yaml(tmp_path / "net.yml", Hints())
    with pytest.raises(CheckpointError, match="cannot be read: the file is a folder"):
        read_yaml(tmp_path, Hints())
